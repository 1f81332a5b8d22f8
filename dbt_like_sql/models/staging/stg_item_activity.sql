-- The one heavy pass of item features. A weight that halved 40 times is 0 to nine digits, so short
-- half-lives look at recent events only. Sums are those of decimals. What was not measured is told
-- first: least() and greatest() pass over NULL.
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
        events.item_id,
        events.occurred_us,
        events.weight,
        epoch_us($as_of) - events.occurred_us as age_us,
        events.event_type <> 'impression' as is_interaction,
        events.event_type = 'view' as is_view,
        events.event_type = 'click' as is_click,
        events.event_type in ('purchase', 'subscribe') as is_conversion,
        case
            when events.event_type <> 'impression'
                then 2 * pi() * hour(make_timestamp(events.occurred_us)) / 24
        end as hour_angle,
        case
            when events.event_type = 'rating' then try_cast(events.value as decimal(38, 9))
        end as rating,
        case
            when events.dwell_seconds is not null
                then try_cast(
                    least(
                        greatest(events.dwell_seconds, limits.dwell_seconds_low),
                        limits.dwell_seconds_high
                    ) as decimal(38, 9)
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
    from staging.stg_events as events
    cross join limits
),

parts as (
    select
        item_id,
        occurred_us,
        age_us,
        is_interaction,
        is_view,
        is_click,
        is_conversion,
        rating,
        dwell_seconds,
        scroll_fraction,
        cast(sin(hour_angle) as decimal(18, 9)) as hour_sin,
        cast(cos(hour_angle) as decimal(18, 9)) as hour_cos,
        cast(
            case
                when weight > 0 and age_us <= 40 * 3600000000
                    then power(0.5, age_us / 3600000000.0) * weight
            end as decimal(18, 9)
        ) as weight_1h,
        cast(
            case
                when weight > 0 and age_us <= 40 * 10800000000
                    then power(0.5, age_us / 10800000000.0) * weight
            end as decimal(18, 9)
        ) as weight_3h,
        cast(
            case
                when weight > 0 and age_us <= 40 * 86400000000
                    then power(0.5, age_us / 86400000000.0) * weight
            end as decimal(18, 9)
        ) as weight_1d,
        cast(
            case when weight > 0 then power(0.5, age_us / 86400000000.0 / 7) * weight end
            as decimal(18, 9)
        ) as weight_7d,
        cast(
            case when weight > 0 then power(0.5, age_us / 86400000000.0 / 28) * weight end
            as decimal(18, 9)
        ) as weight_28d,
    from events
)

select
    item_id,
    count(*) filter (where is_interaction) as interaction_count,
    max(occurred_us) filter (where is_interaction) as last_interaction_us,
    count(*) filter (where is_view and age_us <= 86400000000) as view_count_1d,
    count(*) filter (where is_view and age_us <= 7 * 86400000000) as view_count_7d,
    count(*) filter (where is_view and age_us <= 28 * 86400000000) as view_count_28d,
    count(*) filter (where is_click and age_us <= 86400000000) as click_count_1d,
    count(*) filter (where is_click and age_us <= 7 * 86400000000) as click_count_7d,
    count(*) filter (where is_click and age_us <= 28 * 86400000000) as click_count_28d,
    count(*) filter (where is_conversion and age_us <= 86400000000) as conversion_count_1d,
    count(*) filter (where is_conversion and age_us <= 7 * 86400000000) as conversion_count_7d,
    count(*) filter (where is_conversion and age_us <= 28 * 86400000000) as conversion_count_28d,
    coalesce(sum(weight_1h), 0) as popularity_1h,
    coalesce(sum(weight_3h), 0) as popularity_3h,
    coalesce(sum(weight_1d), 0) as popularity_1d,
    coalesce(sum(weight_7d), 0) as popularity_7d,
    coalesce(sum(weight_28d), 0) as popularity_28d,
    count(rating) as rating_count,
    sum(rating) / nullif(count(rating), 0) as rating_mean,
    sum(dwell_seconds) / nullif(count(dwell_seconds), 0) as mean_dwell_seconds,
    sum(scroll_fraction) / nullif(count(scroll_fraction), 0) as mean_scroll_fraction,
    sum(hour_sin) / nullif(count(hour_sin), 0) as hour_sin,
    sum(hour_cos) / nullif(count(hour_cos), 0) as hour_cos,
from parts
group by item_id
