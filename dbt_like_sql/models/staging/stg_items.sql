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
        is_withdrawn,
        offered_in,
        not_offered_in,
        age_min,
        list_contains($blocked_items, item_id)
        or coalesce(list_contains($blocked_creators, creator), false) as is_blocked,
    from staging.stg_catalogue
),

seen as (
    select
        item_id,
        min(occurred_at) as first_seen_at,
        list_contains($blocked_items, item_id) as is_blocked,
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
    and (catalogue.available_until is null or catalogue.available_until > $as_of)
    and not coalesce(catalogue.is_withdrawn, false)
    and not coalesce(catalogue.is_blocked, seen.is_blocked) as is_available,
    catalogue.offered_in,
    catalogue.not_offered_in,
    catalogue.age_min,
from catalogue
full outer join seen on catalogue.item_id = seen.item_id
where
    seen.item_id is not null
    or (
        (catalogue.published_at is null or catalogue.published_at < $as_of)
        and (catalogue.available_from is null or catalogue.available_from < $as_of)
    )
