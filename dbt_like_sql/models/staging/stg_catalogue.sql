select
    item_id,
    title,
    category,
    tags,
    creator,
    language,
    price,
    published_at,
    available_from,
    available_until,
from raw.item_history
where
    valid_from <= $known_at
    and (valid_to is null or valid_to > $known_at)
