with users as (
    select
        user_id,
        country,
        region,
        top_device,
    from staging.stg_users
),

lifecycle as (
    select
        user_id,
        recency_days,
        tenure_days,
        event_count,
        interaction_count_28d,
        active_day_count_28d,
        engagement_score,
        engagement_rank,
    from features.user_lifecycle
),

habits as (
    select
        user_id,
        last_interaction_us,
        interaction_count,
        interaction_count_7d,
        conversion_count,
        monetary_value,
        activity_trend,
        mean_dwell_seconds,
        mean_scroll_fraction,
        rating_count,
        rating_mean,
        rating_stddev,
        mobile_share,
        night_share,
        weekend_share,
        hour_sin,
        hour_cos,
        hour_concentration,
        weekday_sin,
        weekday_cos,
    from staging.stg_user_habits
),

days as (
    select
        user_id,
        event_date,
        region,
        event_count,
    from staging.stg_user_days
),

sessions as (
    select
        user_id,
        event_count,
        ended_us - started_us as length_us,
    from staging.stg_user_sessions
),

user_pairs as (
    select
        user_id,
        impression_count,
        answered_count,
        consumed_item_count,
        converted_item_count,
    from staging.stg_user_pairs
),

tastes as (
    select
        user_id,
        top_category,
        top_category_share,
        distinct_category_count,
        category_spread,
        mainstream_rank,
        mean_price,
    from staging.stg_user_tastes
),

affinities as (
    select
        user_id,
        dimension,
        share,
    from features.user_affinities
    where weight > 0
),

everyone as (
    select
        max(mean_rate) filter (where rate = 'click_through') as click_mean,
        max(strength) filter (where rate = 'click_through') as click_strength,
        max(mean_rate) filter (where rate = 'conversion') as conversion_mean,
        max(strength) filter (where rate = 'conversion') as conversion_strength,
    from staging.stg_user_rates
),

active_dates as (
    select
        user_id,
        event_date,
    from days
    group by user_id, event_date
),

active_days as (
    select
        user_id,
        count(*) as active_day_count,
        max(event_date) - min(event_date) as active_span_days,
    from active_dates
    group by user_id
),

region_counts as (
    select
        user_id,
        region,
        sum(event_count) as event_count,
    from days
    where region is not null
    group by user_id, region
),

user_regions as (
    select
        user_id,
        max(event_count) / sum(event_count) as region_share,
    from region_counts
    group by user_id
),

user_sessions as (
    select
        user_id,
        count(*) as session_count,
        sum(length_us) / count(*) / 1000000.0 as mean_session_seconds,
        quantile_cont(length_us, 0.5) / 1000000.0 as median_session_seconds,
        count(*) filter (where event_count = 1) / count(*) as bounce_rate,
    from sessions
    group by user_id
),

-- Shannon's entropy of weights is, with their shares q and the sum s of these,
-- log2(s) - sum(q * log2(q)) / s: the shares of tags may sum to more than 1.
share_sums as (
    select
        user_id,
        dimension,
        cast(sum(cast(share as decimal(18, 9))) as double) as share_sum,
        cast(sum(cast(share * log2(share) as decimal(18, 9))) as double) as share_log_sum,
    from affinities
    group by user_id, dimension
),

entropies as (
    select
        user_id,
        dimension,
        greatest(log2(share_sum) - share_log_sum / share_sum, 0) as bits,
    from share_sums
),

user_entropies as (
    select
        user_id,
        max(bits) filter (where dimension = 'category') as category_entropy,
        max(bits) filter (where dimension = 'creator') as creator_entropy,
        max(bits) filter (where dimension = 'tag') as tag_entropy,
        max(bits) filter (where dimension = 'language') as language_entropy,
    from entropies
    group by user_id
)

select
    $as_of as as_of,
    users.user_id,
    users.country,
    users.region,
    tastes.top_category,
    users.top_device,
    lifecycle.recency_days,
    (epoch_us($as_of) - habits.last_interaction_us) / 86400000000.0
        as user_days_since_last_interaction,
    lifecycle.tenure_days,
    lifecycle.event_count,
    coalesce(user_pairs.impression_count, 0) as impression_count,
    coalesce(habits.interaction_count, 0) as interaction_count,
    coalesce(habits.interaction_count_7d, 0) as interaction_count_7d,
    lifecycle.interaction_count_28d,
    coalesce(habits.conversion_count, 0) as conversion_count,
    coalesce(habits.monetary_value, 0) as monetary_value,
    coalesce(active_days.active_day_count, 0) as active_day_count,
    lifecycle.active_day_count_28d,
    coalesce(user_sessions.session_count, 0) as session_count,
    user_sessions.mean_session_seconds,
    user_sessions.median_session_seconds,
    user_sessions.bounce_rate,
    active_days.active_span_days / nullif(active_days.active_day_count - 1, 0)
        as mean_return_days,
    lifecycle.engagement_score,
    lifecycle.engagement_rank,
    habits.activity_trend,
    coalesce(user_pairs.consumed_item_count, 0) as distinct_item_count,
    coalesce(tastes.distinct_category_count, 0) as distinct_category_count,
    tastes.category_spread,
    tastes.top_category_share,
    tastes.mainstream_rank,
    tastes.mean_price,
    user_entropies.category_entropy,
    user_entropies.creator_entropy,
    user_entropies.tag_entropy,
    user_entropies.language_entropy,
    habits.mean_dwell_seconds as user_mean_dwell_seconds,
    habits.mean_scroll_fraction as user_mean_scroll_fraction,
    (coalesce(user_pairs.answered_count, 0) + everyone.click_strength * everyone.click_mean)
    / (coalesce(user_pairs.impression_count, 0) + everyone.click_strength)
        as user_click_through_rate,
    (
        coalesce(user_pairs.converted_item_count, 0)
        + everyone.conversion_strength * everyone.conversion_mean
    )
    / (coalesce(user_pairs.consumed_item_count, 0) + everyone.conversion_strength)
        as user_conversion_rate,
    habits.rating_mean as user_rating_mean,
    habits.rating_stddev as user_rating_stddev,
    coalesce(habits.rating_count, 0) as user_rating_count,
    habits.mobile_share,
    habits.night_share,
    habits.weekend_share,
    habits.hour_sin,
    habits.hour_cos,
    habits.hour_concentration,
    habits.weekday_sin,
    habits.weekday_cos,
    user_regions.region_share,
from users
inner join lifecycle on users.user_id = lifecycle.user_id
left join habits on users.user_id = habits.user_id
left join active_days on users.user_id = active_days.user_id
left join user_regions on users.user_id = user_regions.user_id
left join user_sessions on users.user_id = user_sessions.user_id
left join user_pairs on users.user_id = user_pairs.user_id
left join tastes on users.user_id = tastes.user_id
left join user_entropies on users.user_id = user_entropies.user_id
cross join everyone
