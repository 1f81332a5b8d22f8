-- Values are counted in steps: 2 % of dwell, 1 % of the scroll, a hundredth of a count's root.
-- Counts of steps add up over days, which medians do not; and the root of a count spreads alike at
-- all levels.
select
    'dwell' as measure,
    event_type,
    event_date,
    cast(round(ln(1 + dwell_seconds) / 0.02) as bigint) as steps,
    count(*) as value_count,
    count(*) as event_count,
from flags.judged_events
where dwell_seconds is not null
group by event_type, event_date, steps
union all
select
    'scroll' as measure,
    event_type,
    event_date,
    cast(round(scroll_fraction / 0.01) as bigint) as steps,
    count(*) as value_count,
    count(*) as event_count,
from flags.judged_events
where scroll_fraction is not null
group by event_type, event_date, steps
union all
select
    'rate' as measure,
    event_type,
    date '1970-01-01' + cast(hour_number // 24 as integer) as event_date,
    cast(round(sqrt(event_count) / 0.01) as bigint) as steps,
    count(*) as value_count,
    sum(event_count) as event_count,
from flags.user_hours
group by event_type, hour_number // 24, steps
