-- What the user chose, as a push of its own or as arguments of gtag('consent', 'update', …). What
-- holds before they chose ('default') is not their word. Of the two keys a refusal counts.
with updates as (
    select
        line_number,
        coalesce(person(user_id), client_id) as user_id,
        coalesce(bare(timestamp), bare(event_timestamp), bare("gtm.start")) as told,
        -- A number counts seconds, milliseconds or microseconds, by its size.
        coalesce(epoch_instant(told, 'any')::varchar, told) as occurred_at,
        -- As arguments, or as values of their own.
        [consent, "2"] as given,
        consent_told(list_concat(
            [personalization_storage, ad_personalization],
            list_transform(
                list_concat(
                    under_any(given, 'personalizationstorage'),
                    under_any(given, 'adpersonalization')
                ),
                lambda said: said ->> '$'
            )
        )) as granted,
    from raw_records
    where
        lower(trim(event)) = 'consent_update'
        or (lower(bare("0")) = 'consent' and lower(bare("1")) = 'update')
)

select
    line_number,
    user_id,
    'personalization' as purpose,
    granted,
    occurred_at,
from updates
where granted is not null
