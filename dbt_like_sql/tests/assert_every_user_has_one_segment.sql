-- The rules leave nobody out and put nobody in two segments. Of everybody known, not of the table
-- that segments are made of: where that was not built there would be nobody to miss.

select
    users.user_id,
    count(segments.user_id) as segment_count,
from staging.stg_users as users
left join segments.user_segments as segments on users.user_id = segments.user_id
group by users.user_id
having count(segments.user_id) <> 1
