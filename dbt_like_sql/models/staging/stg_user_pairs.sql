select
    user_id,
    sum(impression_count) as impression_count,
    sum(answered_count) as answered_count,
    count(*) filter (where interaction_count > 0) as consumed_item_count,
    count(*) filter (where conversion_count > 0) as converted_item_count,
from staging.stg_user_items
group by user_id
