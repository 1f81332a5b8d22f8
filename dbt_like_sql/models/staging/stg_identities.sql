-- Ids that turned out to belong to a user, as known three ways: before the as-of, by known_at, now.
-- An event goes by the latest link at its time; one before the first link, by that first link.
-- Links are followed to the end (device to login, login to user …), each at the time of the event;
-- ids that lead back to one another are one person, known by the least of these ids: what has no
-- end after 128 links is taken for such a ring, of which the last 64 have passed every id.
with recursive ledger as (
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

chains as (
    select distinct
        knowledge,
        anonymous_id,
        anonymous_id as reached_id,
        timestamptz '0001-01-01 00:00:00+00' as starts_at,
        timestamptz '9999-12-31 00:00:00+00' as ends_at,
        0 as hop_count,
        cast(null as varchar) as least_id,
    from spans
    union all
    select
        chains.knowledge,
        chains.anonymous_id,
        spans.user_id as reached_id,
        greatest(chains.starts_at, spans.starts_at) as starts_at,
        least(chains.ends_at, spans.ends_at) as ends_at,
        chains.hop_count + 1 as hop_count,
        case when chains.hop_count >= 64 then least(chains.least_id, spans.user_id) end as least_id,
    from chains
    inner join spans
        on
            chains.knowledge = spans.knowledge
            and chains.reached_id = spans.anonymous_id
            and chains.starts_at < spans.ends_at
            and chains.ends_at > spans.starts_at
    where chains.hop_count < 128
),

linked as (
    select distinct
        knowledge,
        anonymous_id,
    from links
),

ends as (
    select
        chains.knowledge,
        chains.anonymous_id,
        case when chains.hop_count = 128 then chains.least_id else chains.reached_id end
            as user_id,
        chains.starts_at,
        chains.ends_at,
    from chains
    left join linked
        on
            chains.knowledge = linked.knowledge
            and chains.reached_id = linked.anonymous_id
    where chains.hop_count = 128 or linked.anonymous_id is null
)

select
    knowledge,
    anonymous_id,
    user_id,
    starts_at,
    ends_at,
from ends
