-- As the log holds them, before identities are resolved and flags or consent leave any out.
-- event_date repeats the test on occurred_at so that whole files are skipped. Sums have as many
-- places as the range of the column leaves in 18 digits.
with ledger as (
    select file_hash,
    from raw.ingestions
),

known_items as (
    select distinct item_id,
    from raw.item_history
    where valid_from <= $known_at
),

known_users as (
    select user_id,
    from raw.user_history
    where valid_from <= $known_at
    union distinct
    select anonymous_id as user_id,
    from raw.identities
    where ingested_at <= $known_at
    union distinct
    select user_id,
    from raw.identities
    where ingested_at <= $known_at
),

recent as (
    select
        (epoch_us($as_of) - epoch_us(occurred_at) - 1) // 86400000000 as days_ago,
        source,
        event_type,
        user_id,
        item_id,
        session_id,
        value,
        dwell_seconds,
        scroll_fraction,
        position,
        request_id,
        propensity,
        device,
        os,
        country,
        region,
        referrer,
    from raw.events
    where
        ingested_at <= $known_at
        and file_hash in (select ledger.file_hash, from ledger)
        and occurred_at < $as_of
        and event_date <= cast($as_of as date)
        and event_date >= cast($as_of as date) - 30
        and epoch_us($as_of) - epoch_us(occurred_at) <= 30 * 86400000000
)

select
    days_ago,
    source,
    event_type,
    count(*) as event_count,
    count(*) filter (where item_id not in (select known_items.item_id, from known_items))
        as unknown_item_count,
    count(*) filter (where user_id not in (select known_users.user_id, from known_users))
        as unknown_user_count,
    count(session_id) as session_id_count,
    count(value) as value_count,
    count(dwell_seconds) as dwell_seconds_count,
    count(scroll_fraction) as scroll_fraction_count,
    count(position) as position_count,
    count(request_id) as request_id_count,
    count(propensity) as propensity_count,
    count(device) as device_count,
    count(os) as os_count,
    count(country) as country_count,
    count(region) as region_count,
    count(referrer) as referrer_count,
    cast(sum(cast(value as decimal(18, 5))) as double) as value_sum,
    min(value) as value_min,
    max(value) as value_max,
    cast(sum(cast(dwell_seconds as decimal(18, 8))) as double) as dwell_seconds_sum,
    min(dwell_seconds) as dwell_seconds_min,
    max(dwell_seconds) as dwell_seconds_max,
    cast(sum(cast(scroll_fraction as decimal(18, 9))) as double) as scroll_fraction_sum,
    min(scroll_fraction) as scroll_fraction_min,
    max(scroll_fraction) as scroll_fraction_max,
    cast(sum(cast(position as bigint)) as double) as position_sum,
    min(position) as position_min,
    max(position) as position_max,
    cast(sum(cast(propensity as decimal(18, 9))) as double) as propensity_sum,
    min(propensity) as propensity_min,
    max(propensity) as propensity_max,
from recent
group by days_ago, source, event_type
