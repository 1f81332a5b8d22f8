select
    line_number,
    movieid as item_id,
    tag,
    coalesce(epoch_instant(timestamp, 's')::varchar, timestamp) as tagged_at,
from raw_records
