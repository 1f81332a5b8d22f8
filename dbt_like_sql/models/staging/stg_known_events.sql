-- The same for every as-of of a run, which keeps it in one file: see `AsOfRun.models`.
with ledger as (
    select file_hash,
    from raw.ingestions
)

select
    event_id,
    file_hash,
    user_id,
    item_id,
    event_type,
    occurred_at,
    event_date,
    session_id,
    value,
    dwell_seconds,
    scroll_fraction,
    position,
    request_id,
    device,
    os,
    country,
    region,
    referrer,
    source,
from raw.events
where
    ingested_at <= $known_at
    and file_hash in (select ledger.file_hash, from ledger)
