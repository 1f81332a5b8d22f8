-- What every user's segment comes of; what takes more than one pass is in user_features.
with users as (
    select
        user_id,
        signed_up_at,
        is_opted_out,
    from staging.stg_users
),

activity as (
    select
        user_id,
        first_event_us,
        last_event_us,
        event_count,
        interaction_count_28d,
        conversion_count_28d,
        engagement_score,
    from staging.stg_user_activity
),

active_dates as (
    select
        user_id,
        event_date,
    from staging.stg_user_days
    where (cast($as_of as date) - event_date) <= 28
    group by user_id, event_date
),

active_days as (
    select
        user_id,
        count(*) as active_day_count_28d,
    from active_dates
    group by user_id
)

select
    $as_of as as_of,
    users.user_id,
    (epoch_us($as_of) - activity.last_event_us) / 86400000000.0 as recency_days,
    (epoch_us($as_of) - least(epoch_us(users.signed_up_at), activity.first_event_us))
    / 86400000000.0 as tenure_days,
    coalesce(activity.event_count, 0) as event_count,
    coalesce(activity.interaction_count_28d, 0) as interaction_count_28d,
    coalesce(activity.conversion_count_28d, 0) as conversion_count_28d,
    coalesce(active_days.active_day_count_28d, 0) as active_day_count_28d,
    cast(coalesce(activity.engagement_score, 0) as double) as engagement_score,
    percent_rank() over (
        partition by users.is_opted_out
        order by coalesce(activity.engagement_score, 0)
    ) as engagement_rank,
from users
left join activity on users.user_id = activity.user_id
left join active_days on users.user_id = active_days.user_id
