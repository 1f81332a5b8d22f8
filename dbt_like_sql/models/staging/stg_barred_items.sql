-- Places written alike but made of other names bar what either may not have. Users of whom nothing
-- is told are at the place `unknown`, whether staging knows any or not.
with restricted as (
    select
        item_id,
        offered_in,
        coalesce(not_offered_in, []::varchar[]) as not_offered_in,
    from staging.stg_items
    where is_available and (offered_in is not null or not_offered_in is not null)
),

places as (
    select
        place,
        names,
    from staging.stg_user_places
    union distinct
    select
        'unknown' as place,
        []::varchar[] as names,
)

select distinct
    places.place,
    restricted.item_id,
from places
cross join restricted
where
    places.place = 'unknown'
    or (restricted.offered_in is not null and not list_has_any(restricted.offered_in, places.names))
    or list_has_any(restricted.not_offered_in, places.names)
