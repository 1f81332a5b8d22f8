-- Flagged events count, and those of users without consent: what was consumed stays hidden.
select distinct
    user_id,
    item_id,
from staging.stg_resolved_events
where event_type <> 'impression'
