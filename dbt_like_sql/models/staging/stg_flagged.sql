select distinct event_id,
from raw.event_flags
where
    $exclude_flagged
    and flagged_at <= $known_at
