-- One pass over the events for every dimension.
with events as (
    select
        item_id,
        device,
        region,
        country,
        event_type <> 'impression' as is_interaction,
    from staging.stg_events
    where device is not null or region is not null or country is not null
),

groups as materialized (
    select
        item_id,
        device,
        region,
        country,
        count(*) as event_count,
        count(*) filter (where is_interaction) as interaction_count,
    from events
    group by item_id, device, region, country
),

named as (
    select
        item_id,
        'device' as dimension,
        device as value,
        event_count,
        interaction_count,
    from groups
    where device is not null
    union all
    select
        item_id,
        'region' as dimension,
        region as value,
        event_count,
        interaction_count,
    from groups
    where region is not null
    union all
    select
        item_id,
        'country' as dimension,
        country as value,
        event_count,
        interaction_count,
    from groups
    where country is not null
)

select
    item_id,
    dimension,
    value,
    cast(sum(event_count) as bigint) as event_count,
    cast(sum(interaction_count) as bigint) as interaction_count,
from named
group by item_id, dimension, value
