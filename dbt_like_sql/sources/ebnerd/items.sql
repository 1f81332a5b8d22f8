-- Totals of views and reading time stay out: they count what came after publication, the future.
select
    line_number,
    article_id as item_id,
    title,
    concat_ws(chr(10), subtitle, body) as body,
    category_str as category,
    topics as tags,
    'da' as language,
    published_time at time zone 'UTC' as published_at,
    json_object('premium', premium, 'article_type', article_type) as attributes,
from raw_records
