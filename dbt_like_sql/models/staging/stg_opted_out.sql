-- The latest statement counts; of two at the same time, the withdrawal. A statement dated after it
-- was ingested counts from its ingestion; as a grant it yields to every withdrawal ingested with it
-- or later. Statements by known_at and all in the lake now both count: a rebuild with an old
-- known_at brings nobody back. Consents and profiles are separate: either one opts a person out.
with consents as (
    select
        user_id,
        granted,
        least(occurred_at, ingested_at) as stated_at,
        ingested_at as learned_at,
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
        learned_at,
        is_ahead,
    from consents
    where learned_at <= $known_at
    union all
    select
        'now' as knowledge,
        'consent' as statement,
        user_id,
        granted,
        stated_at,
        learned_at,
        is_ahead,
    from consents
    union all
    select
        'known_at' as knowledge,
        'profile' as statement,
        user_id,
        consent_personalization as granted,
        valid_from as stated_at,
        valid_from as learned_at,
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
        valid_from as learned_at,
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
        max(statements.learned_at) filter (where statements.granted and statements.is_ahead)
            as ahead_learned_at,
        max(statements.stated_at) filter (where statements.granted and not statements.is_ahead)
            as surely_granted_at,
        max(statements.stated_at) filter (where not statements.granted) as withdrawn_at,
        max(statements.learned_at) filter (where not statements.granted) as withdrawal_learned_at,
    from statements
    left join identities
        on
            statements.knowledge = identities.knowledge
            and statements.user_id = identities.anonymous_id
            and statements.stated_at >= identities.starts_at
            and statements.stated_at < identities.ends_at
    group by all
),

opted_out as (
    select user_id,
    from persons
    where
        withdrawn_at is not null
        and (surely_granted_at is null or surely_granted_at <= withdrawn_at)
        and (ahead_learned_at is null or ahead_learned_at <= withdrawal_learned_at)
)

select user_id,
from opted_out
union distinct
select identities.anonymous_id as user_id,
from identities
where identities.user_id in (select opted_out.user_id, from opted_out)
