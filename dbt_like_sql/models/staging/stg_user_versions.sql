-- The rows in force after an ingestion are those that began by it less those that ended by it.
with changes as (
    select
        valid_from as changed_at,
        'began' as change,
        signed_up_at,
        country,
        age_band,
        gender,
        subscription,
        consent_personalization,
        attributes,
    from raw.user_history
    where valid_from <= $known_at
    union all
    select
        valid_to as changed_at,
        'ended' as change,
        signed_up_at,
        country,
        age_band,
        gender,
        subscription,
        consent_personalization,
        attributes,
    from raw.user_history
    where valid_to <= $known_at
)

select
    changed_at,
    change,
    count(*) as row_count,
    count(signed_up_at) as signed_up_at_count,
    count(country) as country_count,
    count(age_band) as age_band_count,
    count(gender) as gender_count,
    count(subscription) as subscription_count,
    count(consent_personalization) as consent_personalization_count,
    count(attributes) as attributes_count,
from changes
group by changed_at, change
