-- The rows in force after an ingestion are those that began by it less those that ended by it.
with changes as (
    select
        valid_from as changed_at,
        'began' as change,
        title,
        body,
        category,
        tags,
        creator,
        language,
        price,
        published_at,
        available_from,
        available_until,
        attributes,
    from raw.item_history
    where valid_from <= $known_at
    union all
    select
        valid_to as changed_at,
        'ended' as change,
        title,
        body,
        category,
        tags,
        creator,
        language,
        price,
        published_at,
        available_from,
        available_until,
        attributes,
    from raw.item_history
    where valid_to <= $known_at
)

select
    changed_at,
    change,
    count(*) as row_count,
    count(title) as title_count,
    count(body) as body_count,
    count(category) as category_count,
    count(tags) as tags_count,
    count(creator) as creator_count,
    count(language) as language_count,
    count(price) as price_count,
    count(published_at) as published_at_count,
    count(available_from) as available_from_count,
    count(available_until) as available_until_count,
    count(attributes) as attributes_count,
from changes
group by changed_at, change
