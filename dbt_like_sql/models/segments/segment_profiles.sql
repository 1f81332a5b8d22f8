with segments as (
    select
        user_id,
        segment_id,
        segment_name,
    from segments.user_segments
),

users as (
    select
        user_id,
        recency_days,
        tenure_days,
        active_day_count_28d,
        session_count,
        mean_session_seconds,
        bounce_rate,
        interaction_count,
        conversion_count,
        distinct_item_count,
        engagement_score,
        top_category_share,
        mainstream_rank,
        user_click_through_rate,
        user_conversion_rate,
        user_mean_dwell_seconds,
        mobile_share,
        night_share,
        weekend_share,
    from features.user_features
),

profiles as (
    select
        segments.segment_id,
        segments.segment_name,
        count(*) as user_count,
        median(users.recency_days) as recency_days_median,
        median(users.tenure_days) as tenure_days_median,
        median(users.active_day_count_28d) as active_day_count_28d_median,
        median(users.session_count) as session_count_median,
        median(users.mean_session_seconds) as session_seconds_median,
        avg(cast(users.bounce_rate as decimal(18, 9))) as bounce_rate_mean,
        sum(users.interaction_count) as interaction_count,
        sum(users.conversion_count) as conversion_count,
        count(*) filter (where users.conversion_count > 0) as converting_user_count,
        median(users.interaction_count) as interaction_count_median,
        median(users.distinct_item_count) as distinct_item_count_median,
        avg(cast(users.engagement_score as decimal(38, 9))) as engagement_score_mean,
        median(users.engagement_score) as engagement_score_median,
        avg(cast(users.top_category_share as decimal(18, 9))) as top_category_share_mean,
        avg(cast(users.mainstream_rank as decimal(18, 9))) as mainstream_rank_mean,
        avg(cast(users.user_click_through_rate as decimal(18, 9))) as click_through_rate_mean,
        avg(cast(users.user_conversion_rate as decimal(18, 9))) as conversion_rate_mean,
        median(users.user_mean_dwell_seconds) as dwell_seconds_median,
        avg(cast(users.mobile_share as decimal(18, 9))) as mobile_share_mean,
        avg(cast(users.night_share as decimal(18, 9))) as night_share_mean,
        avg(cast(users.weekend_share as decimal(18, 9))) as weekend_share_mean,
    from segments
    inner join users on segments.user_id = users.user_id
    group by segments.segment_id, segments.segment_name
)

select
    $as_of as as_of,
    segment_id,
    segment_name,
    user_count,
    cast(user_count as double) / sum(user_count) over () as user_share,
    recency_days_median,
    tenure_days_median,
    active_day_count_28d_median,
    cast(interaction_count as double) / user_count as interaction_count_mean,
    interaction_count_median,
    coalesce(interaction_count / nullif(sum(interaction_count) over (), 0), 0)
        as interaction_share,
    distinct_item_count_median,
    engagement_score_mean,
    engagement_score_median,
    top_category_share_mean,
    mainstream_rank_mean,
    click_through_rate_mean,
    mobile_share_mean,
    session_count_median,
    session_seconds_median,
    bounce_rate_mean,
    cast(conversion_count as bigint) as conversion_count,
    converting_user_count / cast(user_count as double) as converting_user_share,
    conversion_rate_mean,
    dwell_seconds_median,
    night_share_mean,
    weekend_share_mean,
from profiles
