with items as (
    select
        item_id,
        category,
        creator,
        is_available,
    from staging.stg_items
    where creator is not null
),

pairs as (
    select
        user_id,
        item_id,
        impression_count,
        interaction_count,
        answered_count,
        conversion_count,
        last_interaction_us,
    from staging.stg_user_items
),

popularity as (
    select
        item_id,
        popularity_7d_share,
        popularity_28d_share,
    from features.item_features
),

catalogue as (
    select
        items.creator,
        count(*) as item_count,
        count(*) filter (where items.is_available) as available_item_count,
        sum(cast(popularity.popularity_7d_share as decimal(18, 9))) as popularity_7d_share,
        sum(cast(popularity.popularity_28d_share as decimal(18, 9))) as popularity_28d_share,
    from items
    inner join popularity on items.item_id = popularity.item_id
    group by items.creator
),

responses as (
    select
        items.creator,
        count(distinct pairs.user_id) filter (where pairs.interaction_count > 0) as user_count,
        count(distinct pairs.user_id) filter (
            where (epoch_us($as_of) - pairs.last_interaction_us) <= 28 * 86400000000
        ) as user_count_28d,
        count(distinct pairs.item_id) filter (where pairs.interaction_count > 0)
            as consumed_item_count,
        sum(pairs.impression_count) as impression_count,
        sum(pairs.answered_count) as answered_count,
        sum(pairs.interaction_count) as interaction_count,
        count(*) filter (where pairs.interaction_count > 0) as consumed_count,
        count(*) filter (where pairs.conversion_count > 0) as converted_count,
    from items
    inner join pairs on items.item_id = pairs.item_id
    group by items.creator
),

categories as (
    select
        items.creator,
        items.category,
        count(distinct items.item_id) as item_count,
        sum(pairs.interaction_count) as interaction_count,
    from items
    left join pairs on items.item_id = pairs.item_id
    where items.category is not null
    group by items.creator, items.category
),

top_categories as (
    select
        creator,
        category,
    from categories
    qualify row_number() over (
        partition by creator
        order by coalesce(interaction_count, 0) desc, item_count desc, category asc
    ) = 1
)

select
    $as_of as as_of,
    catalogue.creator,
    top_categories.category as top_category,
    catalogue.item_count,
    catalogue.available_item_count,
    coalesce(responses.consumed_item_count, 0) as consumed_item_count,
    coalesce(responses.user_count, 0) as user_count,
    coalesce(responses.user_count_28d, 0) as user_count_28d,
    cast(coalesce(responses.impression_count, 0) as bigint) as impression_count,
    cast(coalesce(responses.interaction_count, 0) as bigint) as interaction_count,
    cast(coalesce(responses.converted_count, 0) as bigint) as converted_count,
    responses.answered_count / nullif(responses.impression_count, 0) as click_through_rate,
    responses.converted_count / cast(nullif(responses.consumed_count, 0) as double)
        as conversion_rate,
    cast(catalogue.popularity_7d_share as double) as popularity_7d_share,
    cast(catalogue.popularity_28d_share as double) as popularity_28d_share,
from catalogue
left join responses on catalogue.creator = responses.creator
left join top_categories on catalogue.creator = top_categories.creator
