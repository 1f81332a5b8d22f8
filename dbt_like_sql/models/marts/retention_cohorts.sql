-- Weeks begin on Monday, UTC. Only whole weeks: one the as-of falls into would look like a loss.
with user_weeks as (
    select distinct
        user_id,
        cast(date_trunc('week', event_date) as date) as active_week,
    from staging.stg_events
),

users as (
    select
        user_id,
        active_week,
        min(active_week) over (partition by user_id) as cohort_week,
    from user_weeks
),

activity as (
    select
        cohort_week,
        (active_week - cohort_week) // 7 as weeks_since,
        count(*) as user_count,
    from users
    group by cohort_week, (active_week - cohort_week) // 7
),

cohorts as (
    select
        cohort_week,
        user_count,
        (cast($as_of as date) - cohort_week) // 7 as whole_week_count,
    from activity
    where weeks_since = 0
),

weeks as (
    select
        cohorts.cohort_week,
        cohorts.user_count,
        later.weeks_since,
    from cohorts
    cross join range(52) as later (weeks_since)
    where
        cohorts.whole_week_count <= 52
        and later.weeks_since < cohorts.whole_week_count
)

select
    $as_of as as_of,
    weeks.cohort_week as cohort_week_date,
    weeks.weeks_since as weeks_since_count,
    weeks.user_count,
    coalesce(activity.user_count, 0) as active_user_count,
    coalesce(activity.user_count, 0) / cast(weeks.user_count as double) as active_user_share,
from weeks
left join activity
    on
        weeks.cohort_week = activity.cohort_week
        and weeks.weeks_since = activity.weeks_since
