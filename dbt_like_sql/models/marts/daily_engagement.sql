with pair_days as (
    select
        user_id,
        item_id,
        event_date,
        count(*) as event_count,
        count(*) filter (where event_type = 'impression') as impression_count,
        count(*) filter (where event_type = 'click') as click_count,
        count(*) filter (where event_type = 'view') as view_count,
        count(*) filter (where event_type in ('purchase', 'subscribe')) as conversion_count,
        count(dwell_seconds) as dwell_count,
        sum(try_cast(dwell_seconds as decimal(38, 9))) as dwell_seconds_sum,
    from staging.stg_events
    where event_date >= cast($as_of as date) - 90
    group by user_id, item_id, event_date
),

user_days as (
    select
        user_id,
        event_date,
        sum(event_count) as event_count,
        sum(impression_count) as impression_count,
        sum(least(greatest(click_count, view_count), impression_count)) as answered_count,
        sum(click_count + view_count) as visit_count,
        sum(event_count - impression_count) as interaction_count,
        sum(conversion_count) as conversion_count,
        sum(dwell_count) as dwell_count,
        sum(dwell_seconds_sum) as dwell_seconds_sum,
    from pair_days
    group by user_id, event_date
),

first_days as (
    select
        user_id,
        min(event_date) as first_event_date,
    from staging.stg_events
    group by user_id
),

session_days as (
    select distinct
        user_id,
        event_date,
        source_session_id,
        gap_started_us,
    from staging.stg_sessions
    where event_date >= cast($as_of as date) - 90
),

daily_sessions as (
    select
        event_date,
        count(*) as session_count,
    from session_days
    group by event_date
),

daily_numbers as (
    select
        user_days.event_date,
        count(*) as active_user_count,
        count(*) filter (where user_days.event_date = first_days.first_event_date)
            as new_user_count,
        count(*) filter (where user_days.interaction_count > 0) as interacting_user_count,
        sum(user_days.event_count) as event_count,
        sum(user_days.impression_count) as impression_count,
        sum(user_days.answered_count) as answered_count,
        sum(user_days.visit_count) as visit_count,
        sum(user_days.interaction_count) as interaction_count,
        sum(user_days.conversion_count) as conversion_count,
        sum(user_days.dwell_count) as dwell_count,
        sum(user_days.dwell_seconds_sum) as dwell_seconds_sum,
    from user_days
    inner join first_days on user_days.user_id = first_days.user_id
    group by user_days.event_date
)

select
    $as_of as as_of,
    daily_numbers.event_date,
    daily_numbers.active_user_count,
    daily_numbers.new_user_count,
    daily_numbers.active_user_count - daily_numbers.new_user_count as returning_user_count,
    daily_numbers.interacting_user_count,
    cast(daily_numbers.event_count as bigint) as event_count,
    cast(daily_numbers.impression_count as bigint) as impression_count,
    cast(daily_numbers.visit_count as bigint) as visit_count,
    cast(daily_numbers.interaction_count as bigint) as interaction_count,
    cast(daily_numbers.conversion_count as bigint) as conversion_count,
    daily_sessions.session_count,
    daily_numbers.answered_count / nullif(daily_numbers.impression_count, 0)
        as click_through_rate,
    daily_numbers.dwell_seconds_sum / nullif(daily_numbers.dwell_count, 0) as mean_dwell_seconds,
from daily_numbers
inner join daily_sessions on daily_numbers.event_date = daily_sessions.event_date
