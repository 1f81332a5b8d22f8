select
    line_number,
    user_id,
    purpose,
    granted,
    occurred_at,
    ingested_at,
from raw_records
