-- Shares of a user's weight decay from that user's own last interaction, not from the as-of:
-- a user who was away for a year keeps a taste (decayed from the as-of, all would round to 0).
-- candidate_id is only a short key for the joins within this query; no result depends on it.
-- Two left joins could be inner ones: the optimizer reorders those into a join 30 times as large.
with candidates as materialized (
    select
        user_id,
        item_id,
        row_number() over () as candidate_id,
    from retrieval.candidates
),

neighbours as (
    select
        item_id,
        neighbour_id,
        cast(score as decimal(18, 9)) as score,
    from retrieval.item_neighbours
),

users as materialized (
    select
        user_id,
        country,
        mean_price,
    from features.user_features
),

catalogue as materialized (
    select
        item_id,
        category,
        tags,
        creator,
        language,
        price,
    from staging.stg_catalogue
),

pairs as materialized (
    select
        user_id,
        item_id,
        impression_count,
        interaction_count,
        last_impression_us,
        last_interaction_us,
        weight,
        weight_7d,
    from staging.stg_user_items
),

candidate_users as materialized (
    select distinct user_id,
    from candidates
),

consumed as (
    select
        pairs.user_id,
        pairs.item_id,
        pairs.last_interaction_us,
        pairs.weight,
        row_number() over user_recency as place,
        first_value(pairs.last_interaction_us) over user_recency as user_last_us,
    from pairs
    inner join candidate_users on pairs.user_id = candidate_users.user_id
    where pairs.interaction_count > 0
    window
        user_recency as (
            partition by pairs.user_id
            order by pairs.last_interaction_us desc, pairs.item_id asc
        )
),

history as materialized (
    select
        consumed.user_id,
        consumed.item_id,
        consumed.place,
        consumed.last_interaction_us,
        catalogue.category,
        catalogue.tags,
        catalogue.creator,
        catalogue.language,
        cast(
            power(
                0.5, (consumed.user_last_us - consumed.last_interaction_us) / (28 * 86400000000.0)
            ) * cast(consumed.weight as double) as decimal(38, 9)
        ) as weight,
    from consumed
    left join catalogue on consumed.item_id = catalogue.item_id
),

user_totals as (
    select
        user_id,
        nullif(sum(weight) filter (where category is not null), 0) as category_weight,
        nullif(sum(weight) filter (where creator is not null), 0) as creator_weight,
        nullif(sum(weight) filter (where language is not null), 0) as language_weight,
        nullif(sum(weight) filter (where len(tags) > 0), 0) as tagged_weight,
    from history
    group by user_id
),

user_categories as (
    select
        user_id,
        category,
        sum(weight) as weight,
        max(last_interaction_us) as last_interaction_us,
    from history
    where category is not null
    group by user_id, category
),

user_creators as (
    select
        user_id,
        creator,
        sum(weight) as weight,
    from history
    where creator is not null
    group by user_id, creator
),

user_languages as (
    select
        user_id,
        language,
        sum(weight) as weight,
    from history
    where language is not null
    group by user_id, language
),

item_tags as materialized (
    select distinct
        item_id,
        unnest(tags) as tag,
    from catalogue
),

user_tags as (
    select
        history.user_id,
        item_tags.tag,
        sum(history.weight) as weight,
    from history
    inner join item_tags on history.item_id = item_tags.item_id
    where history.weight > 0
    group by history.user_id, item_tags.tag
),

tag_overlaps as (
    select
        candidates.candidate_id,
        sum(user_tags.weight) as weight,
    from candidates
    inner join item_tags on candidates.item_id = item_tags.item_id
    left join user_tags
        on
            candidates.user_id = user_tags.user_id
            and item_tags.tag = user_tags.tag
    group by candidates.candidate_id
),

item_tag_counts as (
    select
        item_id,
        count(*) as tag_count,
    from item_tags
    group by item_id
),

covisits as (
    select
        candidates.candidate_id,
        max(neighbours.score) as score_max,
        sum(neighbours.score) as score_sum,
    from history
    inner join neighbours on history.item_id = neighbours.item_id
    left join candidates
        on
            history.user_id = candidates.user_id
            and neighbours.neighbour_id = candidates.item_id
    where history.place <= 10
    group by candidates.candidate_id
),

country_items as (
    select
        users.country,
        pairs.item_id,
        sum(pairs.weight_7d) as weight,
    from pairs
    inner join users on pairs.user_id = users.user_id
    where users.country is not null
    group by users.country, pairs.item_id
),

country_shares as (
    select
        country,
        item_id,
        weight / nullif(sum(weight) over (partition by country), 0) as popularity_share,
    from country_items
)

select
    $as_of as as_of,
    candidates.user_id,
    candidates.item_id,
    case
        when catalogue.category is not null
            then coalesce(user_categories.weight, 0) / user_totals.category_weight
    end as category_affinity,
    case
        when catalogue.creator is not null
            then coalesce(user_creators.weight, 0) / user_totals.creator_weight
    end as creator_affinity,
    case
        when catalogue.language is not null
            then coalesce(user_languages.weight, 0) / user_totals.language_weight
    end as language_affinity,
    coalesce(tag_overlaps.weight, 0) / (item_tag_counts.tag_count * user_totals.tagged_weight)
        as tag_affinity,
    (epoch_us($as_of) - user_categories.last_interaction_us) / 86400000000.0
        as days_since_category,
    case when user_creators.user_id is null then 0 else 1 end as is_known_creator,
    cast(coalesce(covisits.score_max, 0) as double) as covisit_score_max,
    cast(coalesce(covisits.score_sum, 0) as double) as covisit_score_sum,
    catalogue.price / nullif(users.mean_price, 0) as price_ratio,
    coalesce(pairs.impression_count, 0) as pair_impression_count,
    case
        when pairs.impression_count > 0
            then (epoch_us($as_of) - pairs.last_impression_us) / 86400000000.0
    end as days_since_pair_impression,
    coalesce(country_shares.popularity_share, 0) as country_popularity_7d_share,
from candidates
left join users on candidates.user_id = users.user_id
left join catalogue on candidates.item_id = catalogue.item_id
left join user_totals on candidates.user_id = user_totals.user_id
left join user_categories
    on
        candidates.user_id = user_categories.user_id
        and catalogue.category = user_categories.category
left join user_creators
    on
        candidates.user_id = user_creators.user_id
        and catalogue.creator = user_creators.creator
left join user_languages
    on
        candidates.user_id = user_languages.user_id
        and catalogue.language = user_languages.language
left join item_tag_counts on candidates.item_id = item_tag_counts.item_id
left join tag_overlaps on candidates.candidate_id = tag_overlaps.candidate_id
left join covisits on candidates.candidate_id = covisits.candidate_id
left join pairs
    on
        candidates.user_id = pairs.user_id
        and candidates.item_id = pairs.item_id
left join country_shares
    on
        users.country = country_shares.country
        and candidates.item_id = country_shares.item_id
