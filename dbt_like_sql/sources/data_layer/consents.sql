-- What the user chose, as a push of its own or as arguments of gtag('consent', 'update', …). What
-- holds before they chose ('default') is not their word. Of the two keys a refusal counts.
with updates as (
    select
        line_number,
        coalesce(person(user_id), client_id) as user_id,
        coalesce(bare(timestamp), bare(event_timestamp), bare("gtm.start")) as told,
        -- A number counts seconds, milliseconds or microseconds, by its size.
        coalesce(epoch_instant(told, 'any')::varchar, told) as occurred_at,
        consent_told([
            personalization_storage,
            coalesce(consent, "2") ->> '$.personalization_storage',
            ad_personalization,
            coalesce(consent, "2") ->> '$.ad_personalization',
        ]) as granted,
    from raw_records
    where lower(trim(event)) = 'consent_update' or ("0" = 'consent' and "1" = 'update')
)

select
    line_number,
    user_id,
    'personalization' as purpose,
    granted,
    occurred_at,
from updates
where granted is not null
