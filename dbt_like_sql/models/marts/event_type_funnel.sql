with user_types as (
    select
        user_id,
        event_type,
        count(*) as event_count,
        count(*) filter (where (epoch_us($as_of) - occurred_us) <= 28 * 86400000000)
            as event_count_28d,
    from staging.stg_events
    group by user_id, event_type
),

users as (
    select
        count(distinct user_id) as user_count,
        count(distinct user_id) filter (where event_count_28d > 0) as user_count_28d,
    from user_types
),

types as (
    select
        event_type,
        sum(event_count) as event_count,
        count(*) as user_count,
        sum(event_count_28d) as event_count_28d,
        count(*) filter (where event_count_28d > 0) as user_count_28d,
    from user_types
    group by event_type
)

select
    $as_of as as_of,
    types.event_type,
    cast(types.event_count as bigint) as event_count,
    types.user_count,
    types.user_count / cast(users.user_count as double) as user_share,
    cast(types.event_count_28d as bigint) as event_count_28d,
    types.user_count_28d,
    types.user_count_28d / cast(nullif(users.user_count_28d, 0) as double) as user_share_28d,
from types
cross join users
