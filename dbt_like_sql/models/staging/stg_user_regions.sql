-- Few regions: only what some item names tells users apart. Of a band of ages the least counts, and
-- what is not written as an age is not known: 2012 is a year of birth, and u18 the end of a band.
with restrictions as (
    select
        offered_in,
        not_offered_in,
        age_min,
    from staging.stg_items
    where
        is_available
        and (offered_in is not null or not_offered_in is not null or age_min is not null)
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
    where offered_in is not null or not_offered_in is not null
),

ages as (
    select age_min,
    from restrictions
    where age_min is not null
    group by age_min
),

users as (
    select
        user_id,
        nullif(upper(trim(country)), '') as country,
        nullif(upper(trim(region)), '') as region,
        lower(trim(age_band)) as band,
    from staging.stg_users
),

youngest as (
    select
        user_id,
        case
            when regexp_matches(band, '^(<|≤|under|below|up to|less than|younger than)') then 0
            when
                regexp_matches(
                    band,
                    '^(>=?|≥|over|above|from)?\s*[0-9]{1,3}'
                    || '\s*([+]|plus|(and|or) (over|above|older)|(-|–|_|to)\s*[0-9]{1,3})?'
                    || '(\s*years)?$'
                )
                then try_cast(regexp_extract(band, '[0-9]+') as integer)
        end as age,
    from users
),

reached as (
    select
        youngest.user_id,
        list('AGE ' || ages.age_min order by ages.age_min) as names,
    from youngest
    inner join ages on youngest.age >= ages.age_min
    group by youngest.user_id
),

found as (
    select
        users.user_id,
        users.country is null
        and users.region is null
        and counted.restriction_count > 0 as is_unknown,
        list_concat(
            list_sort(list_distinct([countries.name, regions.name])),
            coalesce(reached.names, []::varchar[])
        ) as names,
    from users
    cross join counted
    left join named as countries on users.country = countries.name
    left join named as regions on users.region = regions.name
    left join reached on users.user_id = reached.user_id
)

select
    user_id,
    array_to_string(
        list_concat(case when is_unknown then ['unknown'] else []::varchar[] end, names), '|'
    ) as availability_region,
    names,
from found
