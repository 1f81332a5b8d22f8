-- The rows in force after an ingestion are those that began by it less those that ended by it.
select
    changes.changed_at,
    changes.change,
    count(*) as row_count,
    count(versions.signed_up_at) as signed_up_at_count,
    count(versions.country) as country_count,
    count(versions.age_band) as age_band_count,
    count(versions.gender) as gender_count,
    count(versions.subscription) as subscription_count,
    count(versions.consent_personalization) as consent_personalization_count,
    count(versions.attributes) as attributes_count,
from raw.user_history as versions
inner join
    lateral (
        values (versions.valid_from, 'began'), (versions.valid_to, 'ended')
    ) as changes (changed_at, change)
    on changes.changed_at <= $known_at
group by changes.changed_at, changes.change
