-- Part of the version of the data: a withdrawal today changes what a rebuild of the past reads.
with events as (
    select
        event_id,
        file_hash,
        user_id,
        occurred_at,
    from staging.stg_resolved_events
)

select
    'opted_out' as omission,
    opted_out.user_id as subject,
    count(*) as event_count,
    min(events.occurred_at) as first_occurred_at,
from events
inner join staging.stg_opted_out as opted_out on events.user_id = opted_out.user_id
group by opted_out.user_id
union all
select
    'flagged' as omission,
    events.file_hash as subject,
    count(*) as event_count,
    min(events.occurred_at) as first_occurred_at,
from events
inner join staging.stg_flagged as flagged on events.event_id = flagged.event_id
group by events.file_hash
