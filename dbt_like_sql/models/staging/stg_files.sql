-- What the data consists of; with stg_omissions, a hash over the rows that matter before an instant
-- is its version. An identity matters from its link on, an event from when it happened.
with

ingestions as (
    select
        contract_table,
        file_hash,
        rows_accepted,
        ingested_at,
    from raw.ingestions
),

events as (
    select
        file_hash,
        occurred_at,
        ingested_at,
    from raw.events
),

visible_events as (
    select
        'events' as contract_table,
        file_hash,
        count(*) as event_count,
        min(occurred_at) as first_occurred_at,
    from events
    where ingested_at <= $known_at
    group by file_hash
),

visible_identities as (
    select
        'identities' as contract_table,
        file_hash,
        min(valid_from) as first_valid_from,
    from raw.identities
    where ingested_at <= $known_at
    group by file_hash
)

select
    ingestions.contract_table,
    ingestions.file_hash,
    coalesce(visible_events.event_count, ingestions.rows_accepted) as row_count,
    coalesce(visible_events.first_occurred_at, visible_identities.first_valid_from)
        as first_occurred_at,
from ingestions
left join visible_events
    on
        ingestions.file_hash = visible_events.file_hash
        and ingestions.contract_table = visible_events.contract_table
left join visible_identities
    on
        ingestions.file_hash = visible_identities.file_hash
        and ingestions.contract_table = visible_identities.contract_table
where
    ingestions.ingested_at <= $known_at
    and ingestions.rows_accepted > 0
    and (ingestions.contract_table <> 'events' or visible_events.event_count > 0)
