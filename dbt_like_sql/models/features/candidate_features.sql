-- Run on the candidates of some users at a time: whatever sums over all users is an upstream model.
-- candidate_id and user_number are only short keys within this query; no result depends on them.
-- Ids of a block are enumerations: a window ordered within one takes a hundred times as long.
with candidates as materialized (
    select
        user_id,
        item_id,
        row_number() over () as candidate_id,
    from retrieval.candidates
),

candidate_users as materialized (
    select
        user_id,
        row_number() over () as user_number,
    from candidates
    group by user_id
),

neighbours as (
    select
        item_id,
        neighbour_id,
        cast(score as decimal(18, 9)) as score,
    from retrieval.item_neighbours
),

transitions as (
    select
        item_id,
        next_item_id,
        probability,
    from features.item_transitions
),

users as materialized (
    select
        users.user_id,
        users.country,
        users.mean_price,
        users.mobile_share,
        users.hour_sin,
        users.hour_cos,
    from features.user_features as users
    inner join candidate_users on users.user_id = candidate_users.user_id
),

items as (
    select
        item_id,
        item_mobile_share,
        item_hour_sin,
        item_hour_cos,
    from features.item_features
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
        pairs.user_id,
        candidate_users.user_number,
        pairs.item_id,
        pairs.impression_count,
        pairs.interaction_count,
        pairs.last_impression_us,
        pairs.last_interaction_us,
    from staging.stg_user_items as pairs
    inner join candidate_users on pairs.user_id = candidate_users.user_id
),

affinities as materialized (
    select
        affinities.user_id,
        affinities.dimension,
        affinities.value,
        affinities.share,
        affinities.last_interaction_at,
    from features.user_affinities as affinities
    inner join candidate_users on affinities.user_id = candidate_users.user_id
),

-- A share is missing, not 0, where none of the dimension's items has any weight.
weighed as (
    select
        user_id,
        count(share) filter (where dimension = 'category') > 0 as has_categories,
        count(share) filter (where dimension = 'creator') > 0 as has_creators,
        count(share) filter (where dimension = 'language') > 0 as has_languages,
        count(share) filter (where dimension = 'tag') > 0 as has_tags,
    from affinities
    group by user_id
),

categories as (
    select
        user_id,
        value as category,
        share,
        last_interaction_at,
    from affinities
    where dimension = 'category'
),

creators as (
    select
        user_id,
        value as creator,
        share,
    from affinities
    where dimension = 'creator'
),

languages as (
    select
        user_id,
        value as language,
        share,
    from affinities
    where dimension = 'language'
),

tags as (
    select
        user_id,
        value as tag,
        cast(share as decimal(38, 18)) as share,
    from affinities
    where dimension = 'tag'
),

item_tags as materialized (
    select distinct
        item_id,
        unnest(tags) as tag,
    from catalogue
),

item_tag_counts as (
    select
        item_id,
        count(*) as tag_count,
    from item_tags
    group by item_id
),

tag_overlaps as (
    select
        candidates.candidate_id,
        cast(sum(tags.share) as double) as share,
    from candidates
    inner join item_tags on candidates.item_id = item_tags.item_id
    left join tags
        on
            candidates.user_id = tags.user_id
            and item_tags.tag = tags.tag
    group by candidates.candidate_id
),

consumed as (
    select
        pairs.user_id,
        pairs.item_id,
        row_number() over (
            partition by pairs.user_number
            -- Within an instant without a pattern: by item the same would come last for everybody.
            order by
                pairs.last_interaction_us desc,
                md5(concat(pairs.user_id, chr(31), pairs.item_id)) asc
        ) as place,
    from pairs
    where pairs.interaction_count > 0
),

latest as materialized (
    select
        user_id,
        item_id,
        place,
    from consumed
    where place <= 10
),

-- All items that the latest ones lead to, candidates or not: one join finds which they are.
related as (
    select
        latest.user_id,
        neighbours.neighbour_id as item_id,
        neighbours.score as covisit_score,
        cast(null as decimal(18, 15)) as transition_score,
    from latest
    inner join neighbours on latest.item_id = neighbours.item_id
    union all
    select
        latest.user_id,
        transitions.next_item_id as item_id,
        cast(null as decimal(18, 9)) as covisit_score,
        cast(transitions.probability * power(0.5, latest.place - 1) as decimal(18, 15))
            as transition_score,
    from latest
    inner join transitions on latest.item_id = transitions.item_id
    where latest.place <= 5
),

met as (
    select
        candidates.candidate_id,
        cast(max(related.covisit_score) as double) as covisit_score_max,
        cast(sum(related.covisit_score) as double) as covisit_score_sum,
        cast(sum(related.transition_score) as double) as transition_score,
    from related
    inner join candidates
        on
            related.user_id = candidates.user_id
            and related.item_id = candidates.item_id
    group by candidates.candidate_id
),

country_shares as (
    select
        country,
        item_id,
        popularity_share,
    from staging.stg_country_items
)

select
    $as_of as as_of,
    candidates.user_id,
    candidates.item_id,
    case
        when catalogue.category is not null and weighed.has_categories
            then coalesce(categories.share, 0)
    end as category_affinity,
    case
        when catalogue.creator is not null and weighed.has_creators
            then coalesce(creators.share, 0)
    end as creator_affinity,
    case
        when catalogue.language is not null and weighed.has_languages
            then coalesce(languages.share, 0)
    end as language_affinity,
    case
        when weighed.has_tags
            then coalesce(tag_overlaps.share, 0) / item_tag_counts.tag_count
    end as tag_affinity,
    (epoch_us($as_of) - epoch_us(categories.last_interaction_at)) / 86400000000.0
        as days_since_category,
    case when creators.user_id is null then 0 else 1 end as is_known_creator,
    coalesce(met.covisit_score_max, 0) as covisit_score_max,
    coalesce(met.covisit_score_sum, 0) as covisit_score_sum,
    coalesce(met.transition_score, 0) as transition_score,
    catalogue.price / nullif(users.mean_price, 0) as price_ratio,
    coalesce(pairs.impression_count, 0) as pair_impression_count,
    case
        when pairs.impression_count > 0
            then (epoch_us($as_of) - pairs.last_impression_us) / 86400000000.0
    end as days_since_pair_impression,
    coalesce(country_shares.popularity_share, 0) as country_popularity_7d_share,
    users.hour_sin * items.item_hour_sin + users.hour_cos * items.item_hour_cos as hour_match,
    users.mobile_share * items.item_mobile_share
    + (1 - users.mobile_share) * (1 - items.item_mobile_share) as device_match,
from candidates
left join users on candidates.user_id = users.user_id
left join items on candidates.item_id = items.item_id
left join catalogue on candidates.item_id = catalogue.item_id
left join weighed on candidates.user_id = weighed.user_id
left join categories
    on
        candidates.user_id = categories.user_id
        and catalogue.category = categories.category
left join creators
    on
        candidates.user_id = creators.user_id
        and catalogue.creator = creators.creator
left join languages
    on
        candidates.user_id = languages.user_id
        and catalogue.language = languages.language
left join item_tag_counts on candidates.item_id = item_tag_counts.item_id
left join tag_overlaps on candidates.candidate_id = tag_overlaps.candidate_id
left join met on candidates.candidate_id = met.candidate_id
left join pairs
    on
        candidates.user_id = pairs.user_id
        and candidates.item_id = pairs.item_id
left join country_shares
    on
        users.country = country_shares.country
        and candidates.item_id = country_shares.item_id
