-- What the items are like that a user consumed.
with pairs as (
    select
        user_id,
        item_id,
        interaction_count,
    from staging.stg_user_items
    where interaction_count > 0
),

catalogue as (
    select
        item_id,
        category,
        try_cast(price as decimal(28, 9)) as price,
    from staging.stg_catalogue
),

item_users as (
    select
        item_id,
        popularity_rank,
    from staging.stg_item_users
),

items as (
    select
        item_users.item_id,
        item_users.popularity_rank,
        catalogue.category,
        catalogue.price,
    from item_users
    left join catalogue on item_users.item_id = catalogue.item_id
),

user_categories as (
    select
        pairs.user_id,
        items.category,
        sum(pairs.interaction_count) as interaction_count,
        count(*) as item_count,
        sum(items.popularity_rank) as popularity_rank_sum,
        count(items.price) as price_count,
        sum(items.price) as price_sum,
    from pairs
    inner join items on pairs.item_id = items.item_id
    group by pairs.user_id, items.category
),

ranked_categories as (
    select
        user_id,
        category,
        interaction_count,
        item_count,
        popularity_rank_sum,
        price_count,
        price_sum,
        row_number() over (
            partition by user_id
            order by category is null asc, interaction_count desc, category asc
        ) as place,
    from user_categories
)

select
    user_id,
    max(category) filter (where place = 1) as top_category,
    max(interaction_count) filter (where place = 1 and category is not null)
    / sum(interaction_count) filter (where category is not null) as top_category_share,
    count(category) as distinct_category_count,
    count(category) / sum(item_count) as category_spread,
    sum(popularity_rank_sum) / sum(item_count) as mainstream_rank,
    sum(price_sum) / nullif(sum(price_count), 0) as mean_price,
from ranked_categories
group by user_id
