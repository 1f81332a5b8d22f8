-- The version valid at the as-of; before an item's first version, that one.
with versions as (
    select
        item_id,
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
        valid_from,
    from raw.item_history
    where valid_from <= $known_at
),

chosen as (
    select
        item_id,
        coalesce(max(valid_from) filter (where valid_from <= $as_of), min(valid_from))
            as valid_from,
    from versions
    group by item_id
)

select
    versions.item_id,
    versions.title,
    versions.body,
    versions.category,
    versions.tags,
    versions.creator,
    versions.language,
    versions.price,
    versions.published_at,
    versions.available_from,
    versions.available_until,
from versions
inner join chosen
    on
        versions.item_id = chosen.item_id
        and versions.valid_from = chosen.valid_from
