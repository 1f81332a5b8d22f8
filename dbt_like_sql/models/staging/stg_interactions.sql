select
    event_id,
    user_id,
    item_id,
    event_type,
    occurred_at,
    occurred_us,
    weight,
from staging.stg_events
where event_type <> 'impression'
