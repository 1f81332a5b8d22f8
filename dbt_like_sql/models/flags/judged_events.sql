with ledger as (
    select file_hash,
    from raw.ingestions
)

select
    event_id,
    user_id,
    item_id,
    event_type,
    event_date,
    epoch_us(occurred_at) as occurred_us,
    epoch_us(occurred_at) // 3600000000 as hour_number,
    dwell_seconds,
    scroll_fraction,
from raw.events
where
    ingested_at <= $known_at
    and file_hash in (select ledger.file_hash, from ledger)
