-- An event of a file that the ledger does not hold is half an ingestion.
-- Nothing downstream reads it.

select
    events.file_hash,
    count(*) as event_count,
from raw.events as events
left join raw.ingestions as ingestions on events.file_hash = ingestions.file_hash
where ingestions.file_hash is null
group by events.file_hash
