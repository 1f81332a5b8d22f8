select
    user_id,
    source_session_id,
    gap_started_us,
    min(occurred_us) as started_us,
    max(occurred_us) as ended_us,
    count(*) as event_count,
    count(*) filter (where event_type <> 'impression') as interaction_count,
from staging.stg_sessions
group by user_id, source_session_id, gap_started_us
