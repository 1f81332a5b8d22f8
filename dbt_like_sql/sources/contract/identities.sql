select
    line_number,
    anonymous_id,
    user_id,
    valid_from,
    ingested_at,
from raw_records
