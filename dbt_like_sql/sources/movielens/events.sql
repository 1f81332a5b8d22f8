select
    line_number,
    userid as user_id,
    movieid as item_id,
    'rating' as event_type,
    coalesce(try(to_timestamp(try_cast(timestamp as bigint)))::varchar, timestamp) as occurred_at,
    rating as value, -- noqa: RF04
from raw_records
