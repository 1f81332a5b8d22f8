-- To come back to an item at once is one visit: what follows is told by the next other item.
with interactions as (
    select
        user_id,
        item_id,
        event_id,
        occurred_us,
        source_session_id,
        gap_started_us,
        lag(item_id) over user_events as previous_item_id,
    from staging.stg_sessions
    where event_type <> 'impression'
    window user_events as (partition by user_id order by occurred_us, event_id)
)

select
    user_id,
    item_id,
    occurred_us,
    row_number() over (partition by user_id order by occurred_us, event_id) as place,
    source_session_id,
    gap_started_us,
from interactions
where previous_item_id is distinct from item_id
