with catalogue as (
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
    from staging.stg_catalogue
),

seen as (
    select
        item_id,
        min(occurred_at) as first_seen_at,
    from staging.stg_events
    group by item_id
)

select
    coalesce(catalogue.item_id, seen.item_id) as item_id,
    catalogue.title,
    catalogue.category,
    catalogue.tags,
    catalogue.creator,
    catalogue.language,
    catalogue.price,
    catalogue.published_at,
    catalogue.available_from,
    catalogue.available_until,
    seen.first_seen_at,
    (catalogue.available_from is null or catalogue.available_from < $as_of)
    and (catalogue.available_until is null or catalogue.available_until > $as_of) as is_available,
from catalogue
full outer join seen on catalogue.item_id = seen.item_id
where
    seen.item_id is not null
    or (
        (catalogue.published_at is null or catalogue.published_at < $as_of)
        and (catalogue.available_from is null or catalogue.available_from < $as_of)
    )
