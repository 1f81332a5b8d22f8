-- Few regions: only what some item names tells users apart.
with restrictions as (
    select
        offered_in,
        not_offered_in,
    from staging.stg_items
    where is_available and (offered_in is not null or not_offered_in is not null)
),

mentions as (
    select unnest(offered_in) as name,
    from restrictions
    union all
    select unnest(not_offered_in) as name,
    from restrictions
),

named as (
    select name,
    from mentions
    group by name
),

counted as (
    select count(*) as restriction_count,
    from restrictions
),

users as (
    select
        user_id,
        nullif(upper(trim(country)), '') as country,
        nullif(upper(trim(region)), '') as region,
    from staging.stg_users
),

found as (
    select
        users.user_id,
        users.country is null
        and users.region is null
        and counted.restriction_count > 0 as is_unknown,
        list_sort(list_distinct([countries.name, regions.name])) as names,
    from users
    cross join counted
    left join named as countries on users.country = countries.name
    left join named as regions on users.region = regions.name
)

select
    user_id,
    case when is_unknown then 'unknown' else array_to_string(names, '|') end as availability_region,
    names,
from found
