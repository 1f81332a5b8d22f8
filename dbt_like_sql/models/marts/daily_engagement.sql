with user_days as (
    select
        user_id,
        event_date,
        count(*) as event_count,
        count(*) filter (where event_type = 'impression') as impression_count,
        count(*) filter (where event_type in ('click', 'view')) as visit_count,
        count(*) filter (where event_type <> 'impression') as interaction_count,
        count(*) filter (where event_type in ('purchase', 'subscribe')) as conversion_count,
        count(distinct session_id) as session_count,
        count(dwell_seconds) as dwell_count,
        sum(try_cast(dwell_seconds as decimal(38, 9))) as dwell_seconds_sum,
    from staging.stg_events
    group by user_id, event_date
),

gap_sessions as (
    select
        user_id,
        event_date,
        count(distinct session_started_us) as session_count,
    from staging.stg_sessions
    group by user_id, event_date
),

dated as (
    select
        user_days.user_id,
        user_days.event_date,
        user_days.event_count,
        user_days.impression_count,
        user_days.visit_count,
        user_days.interaction_count,
        user_days.conversion_count,
        user_days.session_count + coalesce(gap_sessions.session_count, 0) as session_count,
        user_days.dwell_count,
        user_days.dwell_seconds_sum,
        min(user_days.event_date) over (partition by user_days.user_id) as first_event_date,
    from user_days
    left join gap_sessions
        on
            user_days.user_id = gap_sessions.user_id
            and user_days.event_date = gap_sessions.event_date
)

select
    $as_of as as_of,
    event_date,
    count(*) as active_user_count,
    count(*) filter (where event_date = first_event_date) as new_user_count,
    count(*) filter (where interaction_count > 0) as interacting_user_count,
    cast(sum(event_count) as bigint) as event_count,
    cast(sum(impression_count) as bigint) as impression_count,
    cast(sum(visit_count) as bigint) as visit_count,
    cast(sum(interaction_count) as bigint) as interaction_count,
    cast(sum(conversion_count) as bigint) as conversion_count,
    cast(sum(session_count) as bigint) as session_count,
    sum(dwell_seconds_sum) / nullif(sum(dwell_count), 0) as mean_dwell_seconds,
from dated
where (cast($as_of as date) - event_date) <= 90
group by event_date
