-- The rows in force after an ingestion are those that began by it less those that ended by it.
select
    changes.changed_at,
    changes.change,
    count(*) as row_count,
    count(versions.title) as title_count,
    count(versions.body) as body_count,
    count(versions.category) as category_count,
    count(versions.tags) as tags_count,
    count(versions.creator) as creator_count,
    count(versions.language) as language_count,
    count(versions.price) as price_count,
    count(versions.published_at) as published_at_count,
    count(versions.available_from) as available_from_count,
    count(versions.available_until) as available_until_count,
    count(versions.attributes) as attributes_count,
from raw.item_history as versions
inner join
    lateral (
        values (versions.valid_from, 'began'), (versions.valid_to, 'ended')
    ) as changes (changed_at, change)
    on changes.changed_at <= $known_at
group by changes.changed_at, changes.change
