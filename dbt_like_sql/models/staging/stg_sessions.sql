-- A session is a user, the name that the source gave it and, where it gave none, when it started:
-- an event starts one when the user's unnamed event before it is more than the gap away.
-- No later event changes any of the three.
with events as (
    select
        event_id,
        user_id,
        item_id,
        event_type,
        event_date,
        occurred_us,
        session_id,
    from staging.stg_events
),

unnamed as (
    select
        event_id,
        user_id,
        item_id,
        event_type,
        event_date,
        occurred_us,
        lag(occurred_us) over user_events as previous_us,
    from events
    where session_id is null
    window user_events as (partition by user_id order by occurred_us, event_id)
),

gap_sessions as (
    select
        event_id,
        user_id,
        item_id,
        event_type,
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
        ) as gap_started_us,
    from unnamed
)

select
    event_id,
    user_id,
    item_id,
    event_type,
    event_date,
    occurred_us,
    session_id as source_session_id,
    cast(null as bigint) as gap_started_us,
from events
where session_id is not null
union all
select
    event_id,
    user_id,
    item_id,
    event_type,
    event_date,
    occurred_us,
    cast(null as varchar) as source_session_id,
    gap_started_us,
from gap_sessions
