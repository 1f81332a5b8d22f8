-- Windows ask for some users only: what is told of everybody is in stg_user_activity.
with limits as (
    select
        dwell_seconds_low,
        dwell_seconds_high,
        scroll_fraction_low,
        scroll_fraction_high,
    from staging.stg_measure_limits
),

events as (
    select
        user_id,
        event_type,
        occurred_us,
        value,
        dwell_seconds,
        scroll_fraction,
        device,
        event_type <> 'impression' as is_interaction,
        event_type in ('purchase', 'subscribe') as is_conversion,
        epoch_us($as_of) - occurred_us as age_us,
        hour(make_timestamp(occurred_us)) as utc_hour,
        isodow(event_date) as weekday,
    from staging.stg_events
),

-- Casts that may fail give NULL: what is beyond any rating, amount or time is not measured.
measured as (
    select
        events.user_id,
        events.occurred_us,
        events.is_interaction,
        events.is_conversion,
        events.age_us,
        events.utc_hour,
        events.weekday,
        events.device,
        case when events.is_conversion then try_cast(events.value as decimal(28, 9)) end as paid,
        case when events.event_type = 'rating' then try_cast(events.value as decimal(15, 9)) end
            as rating,
        case when events.event_type = 'rating' then try_cast(events.value as decimal(12, 6)) end
            as short_rating,
        case
            when events.dwell_seconds is not null
                then try_cast(
                    least(
                        greatest(events.dwell_seconds, limits.dwell_seconds_low),
                        limits.dwell_seconds_high
                    ) as decimal(18, 9)
                )
        end as dwell_seconds,
        case
            when events.scroll_fraction is not null
                then try_cast(
                    least(
                        greatest(events.scroll_fraction, limits.scroll_fraction_low),
                        limits.scroll_fraction_high
                    ) as decimal(18, 9)
                )
        end as scroll_fraction,
        cast(sin(pi() * events.utc_hour / 12) as decimal(18, 9)) as hour_sin,
        cast(cos(pi() * events.utc_hour / 12) as decimal(18, 9)) as hour_cos,
        cast(sin(2 * pi() * (events.weekday - 1) / 7) as decimal(18, 9)) as weekday_sin,
        cast(cos(2 * pi() * (events.weekday - 1) / 7) as decimal(18, 9)) as weekday_cos,
    from events
    cross join limits
),

totals as (
    select
        user_id,
        max(occurred_us) filter (where is_interaction) as last_interaction_us,
        count(*) filter (where is_interaction) as interaction_count,
        count(*) filter (where is_interaction and age_us <= 7 * 86400000000)
            as interaction_count_7d,
        count(*) filter (where is_interaction and age_us <= 14 * 86400000000)
            as interaction_count_14d,
        count(*) filter (where is_interaction and age_us <= 28 * 86400000000)
            as interaction_count_28d,
        count(*) filter (where is_conversion) as conversion_count,
        sum(paid) as monetary_value,
        sum(dwell_seconds) / nullif(count(dwell_seconds), 0) as mean_dwell_seconds,
        sum(scroll_fraction) / nullif(count(scroll_fraction), 0) as mean_scroll_fraction,
        count(rating) as rating_count,
        sum(rating) / nullif(count(rating), 0) as rating_mean,
        count(short_rating) as short_rating_count,
        sum(short_rating) as short_rating_sum,
        sum(short_rating * short_rating) as short_rating_square_sum,
        count(*) filter (where device in ('mobile', 'phone', 'tablet'))
        / nullif(count(device), 0) as mobile_share,
        count(*) filter (where utc_hour >= 22 or utc_hour < 6) / count(*) as night_share,
        count(*) filter (where weekday >= 6) / count(*) as weekend_share,
        sum(hour_sin) / count(*) as hour_sin,
        sum(hour_cos) / count(*) as hour_cos,
        sum(weekday_sin) / count(*) as weekday_sin,
        sum(weekday_cos) / count(*) as weekday_cos,
    from measured
    group by user_id
)

select
    user_id,
    last_interaction_us,
    interaction_count,
    interaction_count_7d,
    conversion_count,
    cast(coalesce(monetary_value, 0) as double) as monetary_value,
    (2 * interaction_count_14d - interaction_count_28d) / nullif(interaction_count_28d, 0)
        as activity_trend,
    mean_dwell_seconds,
    mean_scroll_fraction,
    rating_count,
    rating_mean,
    case
        when short_rating_count > 1
            then sqrt(
                short_rating_count * short_rating_square_sum - short_rating_sum * short_rating_sum
            ) / short_rating_count
    end as rating_stddev,
    mobile_share,
    night_share,
    weekend_share,
    hour_sin,
    hour_cos,
    least(sqrt(hour_sin * hour_sin + hour_cos * hour_cos), 1) as hour_concentration,
    weekday_sin,
    weekday_cos,
from totals
