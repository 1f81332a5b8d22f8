with dimensions (dimension) as (
    values ('category'), ('creator')
),

items as (
    select
        stg_items.item_id,
        dimensions.dimension,
        coalesce(
            case dimensions.dimension
                when 'category' then stg_items.category
                when 'creator' then stg_items.creator
            end, 'unknown'
        ) as value,
    from staging.stg_items as stg_items
    cross join dimensions
),

places as (
    select
        item_id,
        count(*) as place_count,
    from recommendations.lists
    group by item_id
),

pairs as (
    select
        item_id,
        sum(impression_count) as impression_count,
        sum(interaction_count) as interaction_count,
    from staging.stg_shown_items
    where days_ago < 28
    group by item_id
),

counts as (
    select
        items.dimension,
        items.value,
        count(*) as item_count,
        coalesce(sum(places.place_count), 0) as place_count,
        coalesce(sum(pairs.impression_count), 0) as impression_count_28d,
        coalesce(sum(pairs.interaction_count), 0) as interaction_count_28d,
    from items
    left join places on items.item_id = places.item_id
    left join pairs on items.item_id = pairs.item_id
    group by items.dimension, items.value
),

shares as (
    select
        dimension,
        value,
        item_count,
        place_count,
        impression_count_28d,
        interaction_count_28d,
        item_count / cast(sum(item_count) over whole as double) as item_share,
        place_count / nullif(cast(sum(place_count) over whole as double), 0) as place_share,
        impression_count_28d / nullif(cast(sum(impression_count_28d) over whole as double), 0)
            as impression_share_28d,
        interaction_count_28d / nullif(cast(sum(interaction_count_28d) over whole as double), 0)
            as interaction_share_28d,
    from counts
    window whole as (partition by dimension)
)

select
    $as_of as as_of,
    dimension,
    value,
    item_count,
    cast(place_count as bigint) as place_count,
    cast(impression_count_28d as bigint) as impression_count_28d,
    cast(interaction_count_28d as bigint) as interaction_count_28d,
    item_share,
    place_share,
    impression_share_28d,
    interaction_share_28d,
    place_share / nullif(interaction_share_28d, 0) as place_ratio,
from shares
