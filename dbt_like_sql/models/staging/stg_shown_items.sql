-- Today is the day that ends at the instant, 0 days ago.
select
    user_id,
    item_id,
    cast(floor((epoch_us($as_of) - occurred_us) / 86400000000) as bigint) as days_ago,
    count(*) filter (where event_type = 'impression') as impression_count,
    count(*) filter (where event_type <> 'impression') as interaction_count,
from staging.stg_events
group by all
