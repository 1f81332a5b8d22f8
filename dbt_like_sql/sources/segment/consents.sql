-- Any call may carry the user's choices.
with choices as (
    select
        line_number,
        coalesce(person(userid), anonymousid) as user_id,
        -- Names are written in any case, and in the context too. A consent that names no category
        -- is one to all.
        list_concat([traits], under(context, 'traits')) as told,
        under_any(told, 'consent') as consents,
        consent_told(list_transform(
            list_concat(
                list_concat(
                    under_any(told, 'consentpersonalization'),
                    under_any(consents, 'personalization')
                ),
                list_concat(
                    list_filter(consents, lambda consent: json_type(consent) <> 'OBJECT'),
                    under_any(
                        under_any(under(context, 'consent'), 'categorypreferences'),
                        'personalization'
                    )
                )
            ),
            lambda said: said ->> '$'
        )) as granted,
        call_instant(originaltimestamp, timestamp, sentat, receivedat) as occurred_at,
    from raw_records
)

select
    line_number,
    user_id,
    'personalization' as purpose,
    granted,
    occurred_at,
from choices
where granted is not null
