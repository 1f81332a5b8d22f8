-- An event starts a session when the user's one before it is more than the gap away.
-- A session is named by its user and start, so that nothing later changes the name.
with events as (
    select
        event_id,
        user_id,
        event_date,
        occurred_us,
        lag(occurred_us) over user_events as previous_us,
    from staging.stg_events
    where session_id is null
    window user_events as (partition by user_id order by occurred_us, event_id)
),

starts as (
    select
        event_id,
        user_id,
        event_date,
        occurred_us,
        max(
            case
                when previous_us is null then occurred_us
                when occurred_us - previous_us > $session_gap_minutes * 60000000 then occurred_us
            end
        ) over (
            partition by user_id
            order by occurred_us, event_id
            rows between unbounded preceding and current row
        ) as session_started_us,
    from events
)

select
    event_id,
    md5(concat(user_id, ' ', session_started_us)) as session_id,
    user_id,
    event_date,
    occurred_us,
    session_started_us,
from starts
