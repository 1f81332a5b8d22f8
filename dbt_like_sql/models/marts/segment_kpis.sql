with segments as (
    select
        user_id,
        segmentation,
        segment_id,
        segment_name,
    from segments.segment_members
),

recent_events as (
    select
        user_id,
        event_type,
        (epoch_us($as_of) - occurred_us) <= 7 * 86400000000 as is_last_week,
    from staging.stg_events
    where (epoch_us($as_of) - occurred_us) <= 28 * 86400000000
),

recent_sessions as (
    select distinct
        user_id,
        source_session_id,
        gap_started_us,
    from staging.stg_sessions
    where (epoch_us($as_of) - occurred_us) <= 28 * 86400000000
),

user_sessions as (
    select
        user_id,
        count(*) as session_count_28d,
    from recent_sessions
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
    from recent_events
    group by user_id
),

kpis as (
    select
        segments.segmentation,
        segments.segment_id,
        min(segments.segment_name) as segment_name,
        count(*) as user_count,
        count(*) filter (where user_numbers.event_count_7d > 0) as active_user_count_7d,
        count(*) filter (where user_numbers.event_count_28d > 0) as active_user_count_28d,
        count(*) filter (where user_numbers.conversion_count_28d > 0)
            as converting_user_count_28d,
        coalesce(sum(user_numbers.impression_count_28d), 0) as impression_count_28d,
        coalesce(sum(user_numbers.visit_count_28d), 0) as visit_count_28d,
        coalesce(sum(user_numbers.interaction_count_28d), 0) as interaction_count_28d,
        coalesce(sum(user_numbers.conversion_count_28d), 0) as conversion_count_28d,
        coalesce(sum(user_sessions.session_count_28d), 0) as session_count_28d,
    from segments
    left join user_numbers on segments.user_id = user_numbers.user_id
    left join user_sessions on segments.user_id = user_sessions.user_id
    group by segments.segmentation, segments.segment_id
)

select
    $as_of as as_of,
    segmentation,
    segment_id,
    segment_name,
    user_count,
    user_count / cast(sum(user_count) over (partition by segmentation) as double) as user_share,
    active_user_count_7d,
    active_user_count_28d,
    converting_user_count_28d,
    cast(impression_count_28d as bigint) as impression_count_28d,
    cast(visit_count_28d as bigint) as visit_count_28d,
    cast(interaction_count_28d as bigint) as interaction_count_28d,
    cast(conversion_count_28d as bigint) as conversion_count_28d,
    cast(session_count_28d as bigint) as session_count_28d,
    interaction_count_28d / cast(user_count as double) as interactions_per_user_28d,
from kpis
