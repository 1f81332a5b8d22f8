-- event_date repeats the test on occurred_at so that whole files are skipped at past cutoffs.
with ledger as (
    select file_hash,
    from raw.ingestions
),

events as (
    select
        event_id,
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
        occurred_at < $as_of
        and event_date <= cast($as_of as date)
        and ingested_at <= $known_at
        and file_hash in (select ledger.file_hash, from ledger)
),

weights as (
    select
        event_type,
        weight,
    from staging.event_weights
)

select
    events.event_id,
    events.user_id,
    events.item_id,
    events.event_type,
    events.occurred_at,
    epoch_us(events.occurred_at) as occurred_us,
    events.event_date,
    events.session_id,
    events.value,
    events.dwell_seconds,
    events.scroll_fraction,
    events.position,
    events.request_id,
    events.device,
    events.os,
    events.country,
    events.region,
    events.referrer,
    events.source,
    cast(
        case
            when events.event_type = 'rating' and events.value < 3 then 0
            when events.event_type = 'rating' and events.value < 5
                then weights.weight * events.value / 5
            else weights.weight
        end as double
    ) as weight,
from events
left join weights on events.event_type = weights.event_type
