select
    line_number,
    movieid as item_id,
    tag,
    coalesce(try(to_timestamp(try_cast(timestamp as bigint)))::varchar, timestamp) as tagged_at,
from raw_records
