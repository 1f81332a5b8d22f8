select
    user_id,
    event_date,
    country,
    region,
    device,
    count(*) as event_count,
from staging.stg_events
group by user_id, event_date, country, region, device
