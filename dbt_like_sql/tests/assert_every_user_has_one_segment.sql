-- The rules leave nobody out and put nobody in two segments.

select
    users.user_id,
    count(segments.user_id) as segment_count,
from features.user_lifecycle as users
left join segments.user_segments as segments on users.user_id = segments.user_id
group by users.user_id
having count(segments.user_id) <> 1
