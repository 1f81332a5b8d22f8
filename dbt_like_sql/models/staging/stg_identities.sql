-- Ids that turned out to belong to a user, as known three ways: before the as-of, by known_at, now.
-- An event goes by the latest link at its time; one before the first link, by that first link.
-- Two links are followed (device to login, login to user), each at the time of the event.
with ledger as (
    select file_hash,
    from raw.ingestions
),

identities as (
    select
        anonymous_id,
        user_id,
        valid_from,
        ingested_at,
    from raw.identities
    where file_hash in (select ledger.file_hash, from ledger)
),

known as (
    select
        'as_of' as knowledge,
        anonymous_id,
        user_id,
        valid_from,
    from identities
    where
        valid_from < $as_of
        and ingested_at <= $known_at
    union all
    select
        'known_at' as knowledge,
        anonymous_id,
        user_id,
        valid_from,
    from identities
    where ingested_at <= $known_at
    union all
    select
        'now' as knowledge,
        anonymous_id,
        user_id,
        valid_from,
    from identities
),

links as (
    select
        knowledge,
        anonymous_id,
        valid_from,
        min(user_id) as user_id,
    from known
    group by knowledge, anonymous_id, valid_from
),

spans as (
    select
        knowledge,
        anonymous_id,
        user_id,
        coalesce(
            case when lag(valid_from) over id_links is not null then valid_from end,
            timestamptz '0001-01-01 00:00:00+00'
        ) as starts_at,
        coalesce(
            lead(valid_from) over id_links, timestamptz '9999-12-31 00:00:00+00'
        ) as ends_at,
    from links
    window id_links as (partition by knowledge, anonymous_id order by valid_from)
),

changes as (
    select
        knowledge,
        anonymous_id,
        starts_at,
    from spans
    union distinct
    select
        spans.knowledge,
        spans.anonymous_id,
        next_spans.starts_at,
    from spans
    inner join spans as next_spans
        on
            spans.knowledge = next_spans.knowledge
            and spans.user_id = next_spans.anonymous_id
            and spans.starts_at < next_spans.starts_at
            and spans.ends_at > next_spans.starts_at
)

select
    changes.knowledge,
    changes.anonymous_id,
    coalesce(next_spans.user_id, spans.user_id) as user_id,
    changes.starts_at,
    coalesce(
        lead(changes.starts_at) over (
            partition by changes.knowledge, changes.anonymous_id
            order by changes.starts_at
        ),
        timestamptz '9999-12-31 00:00:00+00'
    ) as ends_at,
from changes
inner join spans
    on
        changes.knowledge = spans.knowledge
        and changes.anonymous_id = spans.anonymous_id
        and changes.starts_at >= spans.starts_at
        and changes.starts_at < spans.ends_at
left join spans as next_spans
    on
        spans.knowledge = next_spans.knowledge
        and spans.user_id = next_spans.anonymous_id
        and changes.starts_at >= next_spans.starts_at
        and changes.starts_at < next_spans.ends_at
