-- What the user chose, as a push of its own or as arguments of gtag('consent', 'update', …). What
-- holds before they chose ('default') is not their word. Of the two keys a refusal counts.
with updates as (
    select
        line_number,
        coalesce(nullif(user_id, ''), client_id) as user_id,
        coalesce(timestamp, event_timestamp, "gtm.start") as told,
        try_cast(told as decimal(24, 6)) as number,
        -- Until the year 5138 seconds stay below 1e11, and milliseconds below 1e14.
        number * case when number < 1e11 then 1000000 when number < 1e14 then 1000 else 1 end
            as number_us,
        -- DuckDB fails on the last instants that it can hold.
        case
            when abs(number_us) < 1e18 then make_timestamptz(number_us::bigint)::varchar
            else told
        end as occurred_at,
        coalesce(
            personalization_storage,
            coalesce(consent, "2") ->> '$.personalization_storage'
        ) as storage,
        coalesce(ad_personalization, coalesce(consent, "2") ->> '$.ad_personalization') as ads,
        case
            when 'denied' in (storage, ads) then 'false'
            when coalesce(nullif(storage, 'granted'), nullif(ads, 'granted')) is null then 'true'
            else coalesce(nullif(storage, 'granted'), nullif(ads, 'granted'))
        end as granted,
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
where coalesce(storage, ads) is not null
