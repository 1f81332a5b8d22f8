-- Regions written alike but made of other names exclude what either may not have. Users of whom
-- nothing is known are in the region `unknown`, whether staging knows any or not.
with restricted as (
    select
        item_id,
        offered_in,
        coalesce(not_offered_in, []::varchar[]) as not_offered_in,
        age_min,
        offered_in is not null or not_offered_in is not null as is_placed,
    from staging.stg_items
    where
        is_available
        and (offered_in is not null or not_offered_in is not null or age_min is not null)
),

regions as (
    select
        availability_region,
        names,
    from staging.stg_user_regions
    union distinct
    select
        'unknown' as availability_region,
        []::varchar[] as names,
)

select distinct
    regions.availability_region,
    restricted.item_id,
from regions
cross join restricted
where
    (
        restricted.is_placed
        and (
            regions.availability_region = 'unknown'
            or starts_with(regions.availability_region, 'unknown|')
        )
    )
    or (
        restricted.offered_in is not null
        and not list_has_any(restricted.offered_in, regions.names)
    )
    or list_has_any(restricted.not_offered_in, regions.names)
    or (
        restricted.age_min is not null
        and not list_contains(regions.names, 'AGE ' || restricted.age_min)
    )
