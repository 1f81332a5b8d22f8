with ledger as (
    select file_hash,
    from raw.ingestions
),

events as (
    select
        event_id,
        user_id,
        occurred_at,
    from raw.events
    where
        occurred_at < $as_of
        and event_date <= cast($as_of as date)
        and ingested_at <= $known_at
        and file_hash in (select ledger.file_hash, from ledger)
),

flags as (
    select
        event_id,
        rule,
    from raw.event_flags
    where flagged_at <= $known_at
),

bot_events as (
    select
        events.user_id,
        min(events.occurred_at) as first_flagged_at,
        max(events.occurred_at) as last_flagged_at,
    from events
    inner join flags on events.event_id = flags.event_id
    where flags.rule = 'bot_like'
    group by events.user_id
),

flagged_events as (
    select
        events.user_id,
        count(distinct events.event_id) as flagged_event_count,
        list(distinct flags.rule order by flags.rule) as rules,
    from events
    inner join flags on events.event_id = flags.event_id
    where events.user_id in (select bot_events.user_id, from bot_events)
    group by events.user_id
),

all_events as (
    select
        user_id,
        count(*) as event_count,
    from events
    where user_id in (select bot_events.user_id, from bot_events)
    group by user_id
)

select
    $as_of as as_of,
    bot_events.user_id,
    bot_events.first_flagged_at,
    bot_events.last_flagged_at,
    flagged_events.flagged_event_count,
    all_events.event_count,
    flagged_events.flagged_event_count / all_events.event_count as flagged_share,
    flagged_events.rules,
from bot_events
inner join flagged_events on bot_events.user_id = flagged_events.user_id
inner join all_events on bot_events.user_id = all_events.user_id
