select
    user_id,
    event_type,
    hour_number,
    count(*) as event_count,
from flags.judged_events
group by user_id, event_type, hour_number
