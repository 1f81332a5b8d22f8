-- Files are skipped by event_date: a wrong one would hide the event from past cutoffs.

select
    event_id,
    occurred_at,
    event_date,
from raw.events
where event_date <> cast(occurred_at as date)
