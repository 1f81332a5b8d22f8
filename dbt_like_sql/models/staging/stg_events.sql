with weights as (
    select
        event_type,
        weight,
    from staging.event_weights
)

select
    events.event_id,
    events.user_id,
    events.item_id,
    events.event_type,
    events.occurred_at,
    epoch_us(events.occurred_at) as occurred_us,
    events.event_date,
    events.session_id,
    events.value,
    events.dwell_seconds,
    events.scroll_fraction,
    events.position,
    events.request_id,
    events.device,
    events.os,
    events.country,
    events.region,
    events.referrer,
    events.source,
    cast(
        case
            when events.event_type = 'rating' and events.value < 3 then 0
            when events.event_type = 'rating' and events.value < 5
                then weights.weight * events.value / 5
            else weights.weight
        end as double
    ) as weight,
from staging.stg_resolved_events as events
anti join staging.stg_opted_out as opted_out on events.user_id = opted_out.user_id
anti join staging.stg_flagged as flagged on events.event_id = flagged.event_id
left join weights on events.event_type = weights.event_type
