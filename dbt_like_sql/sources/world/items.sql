select
    line_number,
    iid as item_id,
    text['headline'] as title,
    text['body'] as body,
    topic as category,
    labels as tags,
    maker as creator,
    lang as language,
    cents / 100.0 as price,
    try(make_timestamptz(online_ms * 1000)) as published_at,
    try(make_timestamptz(offline_ms * 1000)) as available_until,
from raw_records
