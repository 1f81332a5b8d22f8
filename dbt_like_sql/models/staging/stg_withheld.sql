-- What was said last counts, of what was said at once the withdrawal.
-- It is judged by known_at and by everything in the lake now: a rebuild with an old known_at
-- does not bring anybody back. Consents and profiles are told apart: either one withholds.
with statements as (
    select
        'known_at' as knowledge,
        'consent' as statement,
        user_id,
        granted,
        occurred_at as stated_at,
    from raw.consents
    where
        purpose = 'personalization'
        and ingested_at <= $known_at
    union all
    select
        'now' as knowledge,
        'consent' as statement,
        user_id,
        granted,
        occurred_at as stated_at,
    from raw.consents
    where purpose = 'personalization'
    union all
    select
        'known_at' as knowledge,
        'profile' as statement,
        user_id,
        consent_personalization as granted,
        valid_from as stated_at,
    from raw.user_history
    where valid_from <= $known_at
    union all
    select
        'now' as knowledge,
        'profile' as statement,
        user_id,
        consent_personalization as granted,
        valid_from as stated_at,
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
        max(statements.stated_at) filter (where statements.granted) as granted_at,
        max(statements.stated_at) filter (where not statements.granted) as withdrawn_at,
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
        and (granted_at is null or granted_at <= withdrawn_at)
)

select user_id,
from withheld
union distinct
select identities.anonymous_id as user_id,
from identities
where identities.user_id in (select withheld.user_id, from withheld)
