-- event_date repeats the test on occurred_at so that whole files are skipped at past cutoffs.
with identities as (
    select
        anonymous_id,
        user_id,
        starts_at,
        ends_at,
    from staging.stg_identities
    where knowledge = 'as_of'
)

select
    events.event_id,
    events.file_hash,
    coalesce(identities.user_id, events.user_id) as user_id,
    events.item_id,
    events.event_type,
    events.occurred_at,
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
from staging.stg_known_events as events
left join identities
    on
        events.user_id = identities.anonymous_id
        and events.occurred_at >= identities.starts_at
        and events.occurred_at < identities.ends_at
where
    events.occurred_at < $as_of
    and events.event_date <= cast($as_of as date)
