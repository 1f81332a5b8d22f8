-- What was said last counts, of what was said at once the withdrawal. A statement that claims a
-- time after it was heard counts from when it was heard; as a grant it yields to every withdrawal
-- that was heard with it or later. It is judged by known_at and by everything in the lake now: a
-- rebuild with an old known_at brings nobody back. Consents and profiles are told apart: either one
-- withholds.
with consents as (
    select
        user_id,
        granted,
        least(occurred_at, ingested_at) as stated_at,
        ingested_at as heard_at,
        occurred_at > ingested_at as is_ahead,
    from raw.consents
    where purpose = 'personalization'
),

statements as (
    select
        'known_at' as knowledge,
        'consent' as statement,
        user_id,
        granted,
        stated_at,
        heard_at,
        is_ahead,
    from consents
    where heard_at <= $known_at
    union all
    select
        'now' as knowledge,
        'consent' as statement,
        user_id,
        granted,
        stated_at,
        heard_at,
        is_ahead,
    from consents
    union all
    select
        'known_at' as knowledge,
        'profile' as statement,
        user_id,
        consent_personalization as granted,
        valid_from as stated_at,
        valid_from as heard_at,
        false as is_ahead,
    from raw.user_history
    where valid_from <= $known_at
    union all
    select
        'now' as knowledge,
        'profile' as statement,
        user_id,
        consent_personalization as granted,
        valid_from as stated_at,
        valid_from as heard_at,
        false as is_ahead,
    from raw.user_history
),

identities as (
    select
        knowledge,
        anonymous_id,
        user_id,
        starts_at,
        ends_at,
    from staging.stg_identities
    where knowledge in ('known_at', 'now')
),

persons as (
    select
        statements.knowledge,
        statements.statement,
        coalesce(identities.user_id, statements.user_id) as user_id,
        max(statements.heard_at) filter (where statements.granted and statements.is_ahead)
            as ahead_heard_at,
        max(statements.stated_at) filter (where statements.granted and not statements.is_ahead)
            as surely_granted_at,
        max(statements.stated_at) filter (where not statements.granted) as withdrawn_at,
        max(statements.heard_at) filter (where not statements.granted) as withdrawal_heard_at,
    from statements
    left join identities
        on
            statements.knowledge = identities.knowledge
            and statements.user_id = identities.anonymous_id
            and statements.stated_at >= identities.starts_at
            and statements.stated_at < identities.ends_at
    group by all
),

withheld as (
    select user_id,
    from persons
    where
        withdrawn_at is not null
        and (surely_granted_at is null or surely_granted_at <= withdrawn_at)
        and (ahead_heard_at is null or ahead_heard_at <= withdrawal_heard_at)
)

select user_id,
from withheld
union distinct
select identities.anonymous_id as user_id,
from identities
where identities.user_id in (select withheld.user_id, from withheld)
