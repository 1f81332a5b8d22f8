with segments as (
    select
        user_id,
        segment_id,
        segment_name,
    from segments.user_segments
),

recent_events as (
    select
        user_id,
        event_type,
        session_id,
        (epoch_us($as_of) - occurred_us) <= 7 * 86400000000 as is_last_week,
    from staging.stg_events
    where (epoch_us($as_of) - occurred_us) <= 28 * 86400000000
),

gap_sessions as (
    select
        user_id,
        count(distinct session_started_us) as session_count_28d,
    from staging.stg_sessions
    where (epoch_us($as_of) - occurred_us) <= 28 * 86400000000
    group by user_id
),

user_numbers as (
    select
        user_id,
        count(*) filter (where is_last_week) as event_count_7d,
        count(*) as event_count_28d,
        count(*) filter (where event_type = 'impression') as impression_count_28d,
        count(*) filter (where event_type in ('click', 'view')) as visit_count_28d,
        count(*) filter (where event_type <> 'impression') as interaction_count_28d,
        count(*) filter (where event_type in ('purchase', 'subscribe')) as conversion_count_28d,
        count(distinct session_id) as session_count_28d,
    from recent_events
    group by user_id
)

select
    $as_of as as_of,
    segments.segment_id,
    segments.segment_name,
    count(*) as user_count,
    count(*) filter (where user_numbers.event_count_7d > 0) as active_user_count_7d,
    count(*) filter (where user_numbers.event_count_28d > 0) as active_user_count_28d,
    cast(coalesce(sum(user_numbers.impression_count_28d), 0) as bigint) as impression_count_28d,
    cast(coalesce(sum(user_numbers.visit_count_28d), 0) as bigint) as visit_count_28d,
    cast(coalesce(sum(user_numbers.interaction_count_28d), 0) as bigint)
        as interaction_count_28d,
    cast(coalesce(sum(user_numbers.conversion_count_28d), 0) as bigint) as conversion_count_28d,
    cast(
        coalesce(sum(user_numbers.session_count_28d), 0)
        + coalesce(sum(gap_sessions.session_count_28d), 0) as bigint
    ) as session_count_28d,
    coalesce(sum(user_numbers.interaction_count_28d), 0) / cast(count(*) as double)
        as interactions_per_user_28d,
from segments
left join user_numbers on segments.user_id = user_numbers.user_id
left join gap_sessions on segments.user_id = gap_sessions.user_id
group by segments.segment_id, segments.segment_name
