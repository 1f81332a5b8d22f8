with items as (
    select
        item_id,
        price,
        published_at,
        first_seen_at,
    from staging.stg_items
),

activity as (
    select
        item_id,
        interaction_count,
        last_interaction_us,
        view_count_1d,
        view_count_7d,
        view_count_28d,
        click_count_1d,
        click_count_7d,
        click_count_28d,
        conversion_count_1d,
        conversion_count_7d,
        conversion_count_28d,
        popularity_1h,
        popularity_3h,
        popularity_1d,
        popularity_7d,
        popularity_28d,
        rating_count,
        rating_mean,
        mean_dwell_seconds,
        mean_scroll_fraction,
        hour_sin,
        hour_cos,
    from staging.stg_item_activity
),

trials as (
    select
        item_id,
        impression_count,
        answered_count,
        expected_answered_count,
        user_count,
        user_count_7d,
        converted_user_count,
    from staging.stg_item_trials
),

audiences as (
    select
        item_id,
        sum(event_count) filter (
            where dimension = 'device' and value in ('mobile', 'phone', 'tablet')
        ) as mobile_count,
        sum(event_count) filter (where dimension = 'device') as device_count,
        max(event_count) filter (where dimension = 'region') as top_region_count,
        sum(event_count) filter (where dimension = 'region') as region_count,
    from staging.stg_item_audiences
    group by item_id
),

consumers as (
    select count(distinct user_id) as user_count,
    from staging.stg_user_items
    where interaction_count > 0
),

priors as (
    select
        max(overall_rate) filter (where measure = 'answered') as answered_rate,
        max(strength) filter (where measure = 'answered') as answered_strength,
        max(overall_rate) filter (where measure = 'converted') as converted_rate,
        max(strength) filter (where measure = 'converted') as converted_strength,
    from staging.stg_item_priors
),

activity_totals as (
    select
        sum(interaction_count) as interaction_count,
        sum(popularity_1h) as popularity_1h,
        sum(popularity_3h) as popularity_3h,
        sum(popularity_1d) as popularity_1d,
        sum(popularity_7d) as popularity_7d,
        sum(popularity_28d) as popularity_28d,
    from activity
),

trial_totals as (
    select sum(impression_count) as impression_count,
    from trials
),

everything as (
    select
        activity_totals.interaction_count,
        activity_totals.popularity_1h,
        activity_totals.popularity_3h,
        activity_totals.popularity_1d,
        activity_totals.popularity_7d,
        activity_totals.popularity_28d,
        trial_totals.impression_count,
        consumers.user_count,
        priors.answered_rate,
        priors.answered_strength,
        priors.answered_strength * priors.answered_rate as answered_before,
        priors.converted_rate,
        priors.converted_strength,
    from activity_totals
    cross join trial_totals
    cross join consumers
    cross join priors
),

joined as (
    select
        items.item_id,
        items.price,
        (
            epoch_us($as_of)
            - least(epoch_us(items.published_at), epoch_us(items.first_seen_at))
        ) / 86400000000.0 as age_days,
        (epoch_us($as_of) - activity.last_interaction_us) / 86400000000.0
            as days_since_last_interaction,
        coalesce(trials.impression_count, 0) as impression_count,
        coalesce(trials.answered_count, 0) as answered_count,
        coalesce(trials.expected_answered_count, 0) as expected_answered_count,
        coalesce(trials.user_count, 0) as user_count,
        coalesce(trials.user_count_7d, 0) as user_count_7d,
        coalesce(trials.converted_user_count, 0) as converted_user_count,
        coalesce(activity.interaction_count, 0) as interaction_count,
        coalesce(activity.view_count_1d, 0) as view_count_1d,
        coalesce(activity.view_count_7d, 0) as view_count_7d,
        coalesce(activity.view_count_28d, 0) as view_count_28d,
        coalesce(activity.click_count_1d, 0) as click_count_1d,
        coalesce(activity.click_count_7d, 0) as click_count_7d,
        coalesce(activity.click_count_28d, 0) as click_count_28d,
        coalesce(activity.conversion_count_1d, 0) as conversion_count_1d,
        coalesce(activity.conversion_count_7d, 0) as conversion_count_7d,
        coalesce(activity.conversion_count_28d, 0) as conversion_count_28d,
        coalesce(activity.popularity_1h, 0) as popularity_1h,
        coalesce(activity.popularity_3h, 0) as popularity_3h,
        coalesce(activity.popularity_1d, 0) as popularity_1d,
        coalesce(activity.popularity_7d, 0) as popularity_7d,
        coalesce(activity.popularity_28d, 0) as popularity_28d,
        coalesce(activity.rating_count, 0) as rating_count,
        activity.rating_mean,
        activity.mean_dwell_seconds,
        activity.mean_scroll_fraction,
        activity.hour_sin,
        activity.hour_cos,
        coalesce(audiences.mobile_count, 0) / cast(nullif(audiences.device_count, 0) as double)
            as mobile_share,
        audiences.top_region_count / cast(nullif(audiences.region_count, 0) as double)
            as top_region_share,
    from items
    left join activity on items.item_id = activity.item_id
    left join trials on items.item_id = trials.item_id
    left join audiences on items.item_id = audiences.item_id
)

select
    $as_of as as_of,
    joined.item_id,
    joined.price,
    joined.age_days,
    joined.days_since_last_interaction as item_days_since_last_interaction,
    joined.impression_count,
    coalesce(joined.impression_count / nullif(everything.impression_count, 0), 0)
        as impression_share,
    joined.interaction_count,
    coalesce(joined.interaction_count / nullif(everything.interaction_count, 0), 0)
        as interaction_share,
    joined.view_count_1d,
    joined.view_count_7d,
    joined.view_count_28d,
    joined.click_count_1d,
    joined.click_count_7d,
    joined.click_count_28d,
    joined.conversion_count_1d,
    joined.conversion_count_7d,
    joined.conversion_count_28d,
    joined.user_count,
    percent_rank() over (order by joined.user_count) as user_count_rank,
    joined.user_count_7d,
    percent_rank() over (order by joined.user_count_7d) as user_count_7d_rank,
    joined.user_count_7d / cast(nullif(joined.user_count, 0) as double) as recent_user_share,
    cast(joined.popularity_1h as double) as popularity_1h,
    coalesce(joined.popularity_1h / nullif(everything.popularity_1h, 0), 0)
        as popularity_1h_share,
    percent_rank() over (order by joined.popularity_1h) as popularity_1h_rank,
    cast(joined.popularity_3h as double) as popularity_3h,
    coalesce(joined.popularity_3h / nullif(everything.popularity_3h, 0), 0)
        as popularity_3h_share,
    percent_rank() over (order by joined.popularity_3h) as popularity_3h_rank,
    cast(joined.popularity_1d as double) as popularity_1d,
    coalesce(joined.popularity_1d / nullif(everything.popularity_1d, 0), 0)
        as popularity_1d_share,
    percent_rank() over (order by joined.popularity_1d) as popularity_1d_rank,
    cast(joined.popularity_7d as double) as popularity_7d,
    coalesce(joined.popularity_7d / nullif(everything.popularity_7d, 0), 0)
        as popularity_7d_share,
    percent_rank() over (order by joined.popularity_7d) as popularity_7d_rank,
    cast(joined.popularity_28d as double) as popularity_28d,
    coalesce(joined.popularity_28d / nullif(everything.popularity_28d, 0), 0)
        as popularity_28d_share,
    percent_rank() over (order by joined.popularity_28d) as popularity_28d_rank,
    joined.popularity_1h / nullif(joined.popularity_1d, 0) as popularity_1h_to_1d_ratio,
    joined.popularity_3h / nullif(joined.popularity_1d, 0) as popularity_3h_to_1d_ratio,
    joined.popularity_1d / nullif(joined.popularity_7d, 0) as popularity_1d_to_7d_ratio,
    joined.popularity_7d / nullif(joined.popularity_28d, 0) as popularity_7d_to_28d_ratio,
    joined.mobile_share as item_mobile_share,
    joined.top_region_share as item_top_region_share,
    (joined.answered_count + everything.answered_before)
    / (joined.impression_count + everything.answered_strength) as item_click_through_rate,
    case
        when everything.answered_before > 0
            then
                everything.answered_rate
                * (joined.answered_count + everything.answered_before)
                / (joined.expected_answered_count + everything.answered_before)
        else everything.answered_rate
    end as item_position_corrected_rate,
    joined.mean_dwell_seconds as item_mean_dwell_seconds,
    joined.mean_scroll_fraction as item_mean_scroll_fraction,
    joined.rating_mean as item_rating_mean,
    joined.rating_count as item_rating_count,
    (joined.converted_user_count + everything.converted_strength * everything.converted_rate)
    / (joined.user_count + everything.converted_strength) as item_conversion_rate,
    joined.user_count / cast(nullif(everything.user_count, 0) as double) as item_audience_share,
    log2(everything.user_count / cast(nullif(joined.user_count, 0) as double))
        as item_novelty_bits,
    joined.interaction_count / cast(nullif(joined.user_count, 0) as double)
        as item_interactions_per_user,
    joined.hour_sin as item_hour_sin,
    joined.hour_cos as item_hour_cos,
from joined
cross join everything
