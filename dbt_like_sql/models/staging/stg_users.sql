-- Of a user who opted out only the id is known: they are treated like a user never seen.
with opted_out as (
    select user_id,
    from staging.stg_opted_out
),

profiles as (
    select
        user_id,
        signed_up_at,
        country,
        age_band,
        gender,
        subscription,
        consent_personalization,
    from raw.user_history
    where valid_from <= $known_at
    -- The version valid at the as-of; before a user's first version, that one.
    qualify
        valid_from = coalesce(
            max(case when valid_from <= $as_of then valid_from end) over (partition by user_id),
            min(valid_from) over (partition by user_id)
        )
),

-- Set apart, so that users are joined by equality alone: with a condition beside it, DuckDB
-- compares every user with every profile.
permitted as (
    select profiles.*,
    from profiles
    left join opted_out on profiles.user_id = opted_out.user_id
    where opted_out.user_id is null
),

places as materialized (
    select
        user_id,
        country,
        region,
        device,
        sum(event_count) as event_count,
    from staging.stg_user_days
    group by user_id, country, region, device
),

country_counts as (
    select
        user_id,
        country,
        sum(event_count) as event_count,
    from places
    where country is not null
    group by user_id, country
),

countries as (
    select
        user_id,
        country,
    from country_counts
    qualify row_number() over (partition by user_id order by event_count desc, country asc) = 1
),

region_counts as (
    select
        user_id,
        region,
        sum(event_count) as event_count,
    from places
    where region is not null
    group by user_id, region
),

regions as (
    select
        user_id,
        region,
    from region_counts
    qualify row_number() over (partition by user_id order by event_count desc, region asc) = 1
),

device_counts as (
    select
        user_id,
        device,
        sum(event_count) as event_count,
    from places
    where device is not null
    group by user_id, device
),

devices as (
    select
        user_id,
        device,
    from device_counts
    qualify row_number() over (partition by user_id order by event_count desc, device asc) = 1
),

known as (
    select user_id,
    from profiles
    where signed_up_at is null or signed_up_at < $as_of
    union distinct
    select user_id,
    from staging.stg_resolved_events
)

select
    known.user_id,
    permitted.signed_up_at,
    coalesce(permitted.country, countries.country) as country,
    regions.region,
    devices.device as top_device,
    permitted.age_band,
    permitted.gender,
    permitted.subscription,
    permitted.consent_personalization,
    opted_out.user_id is not null as is_opted_out,
from known
left join countries on known.user_id = countries.user_id
left join regions on known.user_id = regions.user_id
left join devices on known.user_id = devices.user_id
left join opted_out on known.user_id = opted_out.user_id
left join permitted on known.user_id = permitted.user_id
