-- Any call may carry the user's choices.
with choices as (
    select
        line_number,
        coalesce(nullif(userid, ''), anonymousid) as user_id,
        coalesce(
            traits ->> '$.consent_personalization',
            traits ->> '$.consent.personalization',
            context ->> '$.consent.categoryPreferences.personalization',
            context ->> '$.consent.categoryPreferences.Personalization'
        ) as granted,
        coalesce(timestamp, originaltimestamp, receivedat) as occurred_at,
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
