-- Of a user without consent nothing is told but that there is one: like a user never seen.
with withheld as (
    select user_id,
    from staging.stg_withheld
),

versions as (
    select
        user_id,
        signed_up_at,
        country,
        age_band,
        gender,
        subscription,
        consent_personalization,
        valid_from,
    from raw.user_history
    where valid_from <= $known_at
),

chosen as (
    select
        user_id,
        coalesce(max(valid_from) filter (where valid_from <= $as_of), min(valid_from))
            as valid_from,
    from versions
    group by user_id
),

current_profiles as (
    select
        versions.user_id,
        versions.signed_up_at,
        versions.country,
        versions.age_band,
        versions.gender,
        versions.subscription,
        versions.consent_personalization,
    from versions
    inner join chosen
        on
            versions.user_id = chosen.user_id
            and versions.valid_from = chosen.valid_from
),

profiles as (
    select
        current_profiles.user_id,
        current_profiles.signed_up_at,
        current_profiles.country,
        current_profiles.age_band,
        current_profiles.gender,
        current_profiles.subscription,
        current_profiles.consent_personalization,
    from current_profiles
    anti join withheld on current_profiles.user_id = withheld.user_id
),

places as materialized (
    select
        user_id,
        country,
        region,
        sum(event_count) as event_count,
    from staging.stg_user_days
    group by user_id, country, region
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

known as (
    select user_id,
    from current_profiles
    where signed_up_at is null or signed_up_at < $as_of
    union distinct
    select user_id,
    from staging.stg_resolved_events
)

select
    known.user_id,
    profiles.signed_up_at,
    coalesce(profiles.country, countries.country) as country,
    regions.region,
    profiles.age_band,
    profiles.gender,
    profiles.subscription,
    profiles.consent_personalization,
    withheld.user_id is not null as is_withheld,
from known
left join profiles on known.user_id = profiles.user_id
left join countries on known.user_id = countries.user_id
left join regions on known.user_id = regions.user_id
left join withheld on known.user_id = withheld.user_id
