select
    line_number,
    item_id,
    tag,
    tagged_at,
    ingested_at,
from raw_records
