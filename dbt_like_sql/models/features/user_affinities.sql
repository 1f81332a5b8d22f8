-- Weights decay from the user's own last interaction, not from the as-of: a user who was away for
-- a year keeps a taste (decayed from the as-of, all would round to 0).
with pairs as (
    select
        user_id,
        item_id,
        last_interaction_us,
        weight,
    from staging.stg_user_items
    where interaction_count > 0
),

catalogue as (
    select
        item_id,
        category,
        creator,
        language,
        list_distinct(tags) as tags,
    from staging.stg_catalogue
),

user_ends as (
    select
        user_id,
        max(last_interaction_us) as last_interaction_us,
    from pairs
    group by user_id
),

consumed as materialized (
    select
        pairs.user_id,
        pairs.last_interaction_us,
        catalogue.category,
        catalogue.creator,
        catalogue.language,
        catalogue.tags,
        cast(
            power(
                0.5,
                (user_ends.last_interaction_us - pairs.last_interaction_us) / (28 * 86400000000.0)
            ) * cast(pairs.weight as double) as decimal(18, 9)
        ) as weight,
    from pairs
    inner join user_ends on pairs.user_id = user_ends.user_id
    inner join catalogue on pairs.item_id = catalogue.item_id
),

valued as (
    select
        user_id,
        'category' as dimension,
        category as value,
        weight,
        last_interaction_us,
    from consumed
    where category is not null
    union all
    select
        user_id,
        'creator' as dimension,
        creator as value,
        weight,
        last_interaction_us,
    from consumed
    where creator is not null
    union all
    select
        user_id,
        'language' as dimension,
        language as value,
        weight,
        last_interaction_us,
    from consumed
    where language is not null
    union all
    select
        user_id,
        'tag' as dimension,
        unnest(tags) as value,
        weight,
        last_interaction_us,
    from consumed
    where weight > 0
),

affinities as (
    select
        user_id,
        dimension,
        value,
        count(*) as item_count,
        sum(weight) as weight,
        max(last_interaction_us) as last_interaction_us,
    from valued
    group by user_id, dimension, value
),

-- An item counts once in its user's total, however many tags it has.
totals as (
    select
        user_id,
        sum(weight) filter (where category is not null) as category_weight,
        sum(weight) filter (where creator is not null) as creator_weight,
        sum(weight) filter (where language is not null) as language_weight,
        sum(weight) filter (where len(tags) > 0) as tag_weight,
    from consumed
    group by user_id
)

select
    $as_of as as_of,
    affinities.user_id,
    affinities.dimension,
    affinities.value,
    affinities.weight,
    affinities.weight / nullif(
        case affinities.dimension
            when 'category' then totals.category_weight
            when 'creator' then totals.creator_weight
            when 'language' then totals.language_weight
            else totals.tag_weight
        end, 0
    ) as share,
    row_number() over (
        partition by affinities.user_id, affinities.dimension
        order by affinities.weight desc, affinities.value asc
    ) as rank,
    affinities.item_count,
    make_timestamptz(affinities.last_interaction_us) as last_interaction_at,
from affinities
inner join totals on affinities.user_id = totals.user_id
