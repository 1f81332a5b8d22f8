-- A day is judged by the values of the days before it, pooled. Where nearly all values are alike
-- they would have no spread: `least_spread` is 10 % of dwell, 5 % of the scroll, and for a count's
-- root what it has where events come by chance. Fewer than 100 values say too little of quartiles.
with measures as (
    select
        floors.measure,
        cast(floors.step as double) as step,
        cast(floors.least_spread as double) as least_spread,
    from (
        values
        ('dwell', 0.02, 0.1),
        ('scroll', 0.01, 0.05),
        ('rate', 0.01, 0.5)
    ) as floors (measure, step, least_spread)
),

day_steps as (
    select
        measure,
        event_type,
        event_date,
        steps,
        value_count,
        event_count,
    from flags.day_steps
),

days as (
    select distinct
        measure,
        event_type,
        event_date,
    from day_steps
),

lags as (
    select cast(range as integer) as lag_days,
    from range(1, $outlier_history_days + 1)
),

summed as (
    select
        day_steps.measure,
        day_steps.event_type,
        day_steps.event_date + lags.lag_days as event_date,
        day_steps.steps,
        sum(day_steps.value_count) as value_count,
        sum(day_steps.event_count) as event_count,
    from day_steps
    cross join lags
    group by
        day_steps.measure,
        day_steps.event_type,
        day_steps.event_date + lags.lag_days,
        day_steps.steps
),

history as (
    select
        summed.measure,
        summed.event_type,
        summed.event_date,
        summed.steps,
        summed.value_count,
        summed.event_count,
    from summed
    inner join days
        on
            summed.measure = days.measure
            and summed.event_type = days.event_type
            and summed.event_date = days.event_date
),

ranked as (
    select
        measure,
        event_type,
        event_date,
        steps,
        value_count,
        sum(value_count) over (
            partition by measure, event_type, event_date
            order by steps
        ) as reached_count,
        sum(value_count) over (partition by measure, event_type, event_date) as history_value_count,
        sum(event_count) over (partition by measure, event_type, event_date) as history_event_count,
    from history
),

quartiles as (
    select
        measure,
        event_type,
        event_date,
        history_event_count,
        min(steps) filter (where reached_count >= 0.25 * history_value_count) as first_quartile,
        min(steps) filter (where reached_count >= 0.50 * history_value_count) as median,
        min(steps) filter (where reached_count >= 0.75 * history_value_count) as third_quartile,
        min(steps) filter (where reached_count >= 0.95 * history_value_count) as usual,
    from ranked
    where
        history_event_count >= $outlier_history_events_min
        and history_value_count >= 100
    group by measure, event_type, event_date, history_event_count
),

deviations as (
    select
        ranked.measure,
        ranked.event_type,
        ranked.event_date,
        ranked.history_value_count,
        abs(ranked.steps - quartiles.median) as deviation,
        sum(ranked.value_count) as value_count,
    from ranked
    inner join quartiles
        on
            ranked.measure = quartiles.measure
            and ranked.event_type = quartiles.event_type
            and ranked.event_date = quartiles.event_date
    group by
        ranked.measure,
        ranked.event_type,
        ranked.event_date,
        ranked.history_value_count,
        deviation
),

ranked_deviations as (
    select
        measure,
        event_type,
        event_date,
        deviation,
        history_value_count,
        sum(value_count) over (
            partition by measure, event_type, event_date
            order by deviation
        ) as reached_count,
    from deviations
),

spreads as (
    select
        measure,
        event_type,
        event_date,
        min(deviation) as median_deviation,
    from ranked_deviations
    where reached_count >= 0.50 * history_value_count
    group by measure, event_type, event_date
),

described as (
    select
        quartiles.measure,
        quartiles.event_type,
        quartiles.event_date,
        cast(quartiles.history_event_count as bigint) as history_event_count,
        quartiles.median * measures.step as median,
        quartiles.third_quartile * measures.step as third_quartile,
        -- What one event in twenty reaches is no outlier. Not so for hours: bots fill more of them.
        case when quartiles.measure <> 'rate' then quartiles.usual * measures.step end as usual,
        greatest(
            1.4826 * spreads.median_deviation * measures.step,
            (quartiles.third_quartile - quartiles.first_quartile) * measures.step / 1.349,
            measures.least_spread
        ) as spread,
        greatest(
            (quartiles.third_quartile - quartiles.first_quartile) * measures.step,
            1.349 * measures.least_spread
        ) as interquartile_range,
    from quartiles
    inner join spreads
        on
            quartiles.measure = spreads.measure
            and quartiles.event_type = spreads.event_type
            and quartiles.event_date = spreads.event_date
    inner join measures on quartiles.measure = measures.measure
)

select
    measure,
    event_type,
    event_date,
    history_event_count,
    median,
    spread,
    third_quartile,
    interquartile_range,
    greatest(median + $outlier_z_max * spread, usual) as robust_z_limit,
    greatest(third_quartile + $outlier_iqr_factor * interquartile_range, usual) as iqr_limit,
from described
