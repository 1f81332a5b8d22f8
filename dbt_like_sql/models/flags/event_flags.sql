-- An event is judged by itself, by earlier events of its user and by limits that earlier days set:
-- no later event changes a flag. Bot-like is a user for seven days after a sign: three fast hours
-- or twenty active ones among 24, or twenty items in an hour at gaps that differ by under 10 %.
with events as not materialized (
    select
        event_id,
        user_id,
        item_id,
        event_type,
        event_date,
        occurred_us,
        hour_number,
        dwell_seconds,
        scroll_fraction,
    from flags.judged_events
),

user_hours as materialized (
    select
        user_id,
        event_type,
        hour_number,
        event_count,
    from flags.user_hours
),

limits as materialized (
    select
        measure,
        event_type,
        event_date,
        median,
        spread,
        third_quartile,
        interquartile_range,
        robust_z_limit,
        iqr_limit,
        -- In seconds: only what lies beyond needs a logarithm.
        case when measure = 'dwell' then exp(least(robust_z_limit, iqr_limit)) - 1 end
            as least_dwell_seconds,
    from flags.outlier_limits
),

long_or_far as (
    select
        events.event_id,
        'dwell' as measure,
        ln(1 + events.dwell_seconds) as measured,
        limits.median,
        limits.spread,
        limits.third_quartile,
        limits.interquartile_range,
        limits.robust_z_limit,
        limits.iqr_limit,
    from events
    inner join limits
        on
            events.event_type = limits.event_type
            and events.event_date = limits.event_date
            and limits.measure = 'dwell'
    where events.dwell_seconds > limits.least_dwell_seconds
    union all
    select
        events.event_id,
        'scroll' as measure,
        events.scroll_fraction as measured,
        limits.median,
        limits.spread,
        limits.third_quartile,
        limits.interquartile_range,
        limits.robust_z_limit,
        limits.iqr_limit,
    from events
    inner join limits
        on
            events.event_type = limits.event_type
            and events.event_date = limits.event_date
            and limits.measure = 'scroll'
    where events.scroll_fraction > least(limits.robust_z_limit, limits.iqr_limit)
),

-- Hours in which a rate or a regularity could be inhuman; events of the others need no order.
busy_hours as (
    select
        user_hours.user_id,
        user_hours.event_type,
        user_hours.hour_number,
        limits.median,
        limits.spread,
        limits.third_quartile,
        limits.interquartile_range,
        limits.robust_z_limit,
        limits.iqr_limit,
    from user_hours
    left join limits
        on
            user_hours.event_type = limits.event_type
            and user_hours.hour_number // 24 = limits.event_date - date '1970-01-01'
            and limits.measure = 'rate'
    where
        user_hours.event_count > 20
        or sqrt(user_hours.event_count) > least(limits.robust_z_limit, limits.iqr_limit)
),

busy_events as (
    select
        events.event_id,
        events.user_id,
        events.event_type,
        events.hour_number,
        events.occurred_us,
        busy_hours.median,
        busy_hours.spread,
        busy_hours.third_quartile,
        busy_hours.interquartile_range,
        busy_hours.robust_z_limit,
        busy_hours.iqr_limit,
        count(*) over (
            partition by events.user_id, events.event_type, events.hour_number
            order by events.occurred_us
        ) as events_so_far,
        case
            when
                events.item_id <> lag(events.item_id) over (
                    partition by events.user_id, events.event_type, events.hour_number
                    order by events.occurred_us, events.event_id
                )
                then (
                    events.occurred_us - lag(events.occurred_us) over (
                        partition by events.user_id, events.event_type, events.hour_number
                        order by events.occurred_us, events.event_id
                    )
                ) // 1000
        end as gap_ms,
    from events
    inner join busy_hours
        on
            events.user_id = busy_hours.user_id
            and events.event_type = busy_hours.event_type
            and events.hour_number = busy_hours.hour_number
),

paced_events as materialized (
    select
        event_id,
        user_id,
        hour_number,
        occurred_us,
        median,
        spread,
        third_quartile,
        interquartile_range,
        robust_z_limit,
        iqr_limit,
        events_so_far,
        count(gap_ms) over so_far as gaps_so_far,
        sum(gap_ms) over so_far as gap_ms_sum,
        sum(gap_ms * gap_ms) over so_far as squared_gap_ms_sum,
    from busy_events
    window so_far as (
        partition by user_id, event_type, hour_number
        order by occurred_us, event_id
        rows between unbounded preceding and current row
    )
),

outliers as (
    select
        event_id,
        measure,
        measured,
        median,
        spread,
        third_quartile,
        interquartile_range,
        robust_z_limit,
        iqr_limit,
    from long_or_far
    union all
    select
        event_id,
        'rate' as measure,
        sqrt(events_so_far) as measured,
        median,
        spread,
        third_quartile,
        interquartile_range,
        robust_z_limit,
        iqr_limit,
    from paced_events
    where sqrt(events_so_far) > least(robust_z_limit, iqr_limit)
),

fast_hours as (
    select
        user_id,
        hour_number,
        min(occurred_us) as occurred_us,
    from paced_events
    where sqrt(events_so_far) > least(robust_z_limit, iqr_limit)
    group by user_id, hour_number
),

fast_signs as (
    select
        user_id,
        occurred_us,
        count(*) over (
            partition by user_id
            order by hour_number
            range between 23 preceding and current row
        ) as fast_hour_count,
    from fast_hours
),

-- Only who was ever seen at twenty hours of the clock can have been active in twenty of 24.
round_the_clock as (
    select user_id,
    from user_hours
    group by user_id
    having bit_count(bit_or(1 << cast(hour_number % 24 as integer))) >= 20
),

active_hours as (
    select distinct
        user_id,
        hour_number,
    from user_hours
    where user_id in (select round_the_clock.user_id, from round_the_clock)
),

counted_hours as (
    select
        user_id,
        hour_number,
        count(*) over (
            partition by user_id
            order by hour_number
            range between 23 preceding and current row
        ) as active_hour_count,
    from active_hours
),

sleepless_signs as (
    select
        events.user_id,
        min(events.occurred_us) as occurred_us,
    from events
    inner join counted_hours
        on
            events.user_id = counted_hours.user_id
            and events.hour_number = counted_hours.hour_number
    where counted_hours.active_hour_count >= 20
    group by events.user_id, events.hour_number
),

signs as materialized (
    select
        user_id,
        occurred_us,
    from fast_signs
    where fast_hour_count >= 3
    union all
    select
        user_id,
        occurred_us,
    from sleepless_signs
    union all
    select
        user_id,
        min(occurred_us) as occurred_us,
    from paced_events
    where
        gaps_so_far >= 20
        -- Squared coefficient of variation below 0.1 ^ 2, in integers.
        and 100 * (gaps_so_far * squared_gap_ms_sum - gap_ms_sum * gap_ms_sum)
        < gap_ms_sum * gap_ms_sum
    group by user_id, hour_number
),

marks as (
    select
        event_id,
        user_id,
        occurred_us,
        0 as is_sign,
    from events
    where user_id in (select signs.user_id, from signs)
    union all
    select
        null as event_id,
        user_id,
        occurred_us,
        1 as is_sign,
    from signs
),

bot_like as (
    select
        event_id,
        sum(is_sign) over (
            partition by user_id
            order by occurred_us
            range between 604800000000 preceding and current row
        ) as sign_count,
    from marks
)

select
    event_id,
    measure || '_robust_z' as rule,
    (measured - median) / spread as score,
from outliers
where measured > robust_z_limit
union all
select
    event_id,
    measure || '_iqr' as rule,
    (measured - third_quartile) / interquartile_range as score,
from outliers
where measured > iqr_limit
union all
select
    event_id,
    'bot_like' as rule,
    cast(sign_count as double) as score,
from bot_like
where event_id is not null and sign_count > 0
