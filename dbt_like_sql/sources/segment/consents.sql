-- Any call may carry the user's choices.
with choices as (
    select
        line_number,
        coalesce(person(userid), anonymousid) as user_id,
        -- Names of categories are written in any case.
        case
            when contains(lower(traits::varchar), 'consent')
                then try_cast(lower(traits::varchar) as json)
        end as said,
        case
            when contains(lower(context::varchar), 'consent')
                then try_cast(lower(context::varchar) as json)
        end as around,
        consent_told([
            said ->> '$.consent_personalization',
            said ->> '$.consent.personalization',
            around ->> '$.traits.consent_personalization',
            around ->> '$.traits.consent.personalization',
            around ->> '$.consent.categorypreferences.personalization',
        ]) as granted,
        coalesce(
            right_instant(
                coalesce(bare(originaltimestamp), timestamp), sentat, receivedat
            )::varchar,
            bare(timestamp), bare(originaltimestamp), receivedat
        ) as occurred_at,
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
