select
    line_number,
    userid as user_id,
    movieid as item_id,
    'rating' as event_type,
    coalesce(epoch_instant(timestamp, 's')::varchar, timestamp) as occurred_at,
    rating as value, -- noqa: RF04
from raw_records
