with users as (
    select
        user_id,
        signed_up_at,
        country,
        is_withheld,
    from staging.stg_users
),

events as (
    select
        user_id,
        event_type,
        event_date,
        occurred_us,
        session_id,
        device,
        cast(
            power(0.5, (epoch_us($as_of) - occurred_us) / (14 * 86400000000.0)) * weight
            as decimal(18, 9)
        ) as weight_14d,
        case when event_type = 'rating' then try_cast(value as decimal(38, 9)) end as rating,
        try_cast(dwell_seconds as decimal(38, 9)) as dwell_seconds,
        try_cast(scroll_fraction as decimal(38, 9)) as scroll_fraction,
    from staging.stg_events
),

pairs as materialized (
    select
        user_id,
        item_id,
        impression_count,
        interaction_count,
        answered_count,
    from staging.stg_user_items
),

catalogue as materialized (
    select
        item_id,
        category,
        try_cast(price as decimal(38, 9)) as price,
    from staging.stg_catalogue
),

user_days as (
    select
        user_id,
        event_date,
        (cast($as_of as date) - event_date) <= 28 as is_recent,
        count(*) as event_count,
        count(*) filter (where event_type <> 'impression') as interaction_count,
        min(occurred_us) as first_event_us,
        max(occurred_us) as last_event_us,
        max(occurred_us) filter (where event_type <> 'impression') as last_interaction_us,
        count(distinct session_id) as session_count,
        sum(weight_14d) as engagement,
        count(rating) as rating_count,
        sum(rating) as rating_sum,
        count(dwell_seconds) as dwell_count,
        sum(dwell_seconds) as dwell_seconds_sum,
        count(scroll_fraction) as scroll_count,
        sum(scroll_fraction) as scroll_fraction_sum,
        count(device) as device_count,
        count(*) filter (where device in ('mobile', 'phone', 'tablet')) as mobile_count,
    from events
    group by user_id, event_date
),

-- Visits that the source does not name, by the gap rule.
gap_sessions as (
    select
        user_id,
        event_date,
        count(distinct session_started_us) as session_count,
    from staging.stg_sessions
    group by user_id, event_date
),

user_gap_sessions as (
    select
        user_id,
        sum(session_count) as session_count,
    from gap_sessions
    group by user_id
),

user_totals as (
    select
        user_id,
        count(*) as active_day_count,
        count(*) filter (where is_recent) as active_day_count_28d,
        sum(event_count) as event_count,
        sum(interaction_count) as interaction_count,
        min(first_event_us) as first_event_us,
        max(last_event_us) as last_event_us,
        max(last_interaction_us) as last_interaction_us,
        sum(session_count) as session_count,
        sum(engagement) as engagement,
        sum(rating_count) as rating_count,
        sum(rating_sum) / nullif(sum(rating_count), 0) as rating_mean,
        sum(dwell_seconds_sum) / nullif(sum(dwell_count), 0) as mean_dwell_seconds,
        sum(scroll_fraction_sum) / nullif(sum(scroll_count), 0) as mean_scroll_fraction,
        sum(mobile_count) / nullif(sum(device_count), 0) as mobile_share,
    from user_days
    group by user_id
),

user_impressions as (
    select
        user_id,
        sum(impression_count) as impression_count,
        sum(answered_count) as answered_count,
    from pairs
    where impression_count > 0
    group by user_id
),

everyone as (
    select sum(answered_count) / nullif(sum(impression_count), 0) as click_through_rate,
    from user_impressions
),

item_users as (
    select
        item_id,
        count(*) as user_count,
    from pairs
    where interaction_count > 0
    group by item_id
),

item_ranks as (
    select
        item_id,
        cast(percent_rank() over (order by user_count) as decimal(18, 9)) as popularity_rank,
    from item_users
),

consumed as (
    select
        pairs.user_id,
        pairs.interaction_count,
        item_ranks.popularity_rank,
        catalogue.category,
        catalogue.price,
    from pairs
    inner join item_ranks on pairs.item_id = item_ranks.item_id
    left join catalogue on pairs.item_id = catalogue.item_id
    where pairs.interaction_count > 0
),

user_categories as (
    select
        user_id,
        category,
        sum(interaction_count) as interaction_count,
        count(*) as item_count,
        sum(popularity_rank) as popularity_rank_sum,
        count(price) as price_count,
        sum(price) as price_sum,
    from consumed
    group by user_id, category
),

ranked_categories as (
    select
        user_id,
        category,
        interaction_count,
        item_count,
        popularity_rank_sum,
        price_count,
        price_sum,
        row_number() over (
            partition by user_id
            order by category is null asc, interaction_count desc, category asc
        ) as place,
    from user_categories
),

user_tastes as (
    select
        user_id,
        max(category) filter (where place = 1) as top_category,
        count(category) as distinct_category_count,
        sum(item_count) as distinct_item_count,
        max(interaction_count) filter (where place = 1 and category is not null)
        / sum(interaction_count) filter (where category is not null) as top_category_share,
        sum(popularity_rank_sum) / sum(item_count) as mainstream_rank,
        sum(price_sum) / nullif(sum(price_count), 0) as mean_price,
    from ranked_categories
    group by user_id
),

joined as (
    select
        users.user_id,
        users.country,
        users.is_withheld,
        user_tastes.top_category,
        (epoch_us($as_of) - user_totals.last_event_us) / 86400000000.0 as recency_days,
        (epoch_us($as_of) - user_totals.last_interaction_us) / 86400000000.0
            as days_since_last_interaction,
        (epoch_us($as_of) - least(epoch_us(users.signed_up_at), user_totals.first_event_us))
        / 86400000000.0 as tenure_days,
        coalesce(user_totals.event_count, 0) as event_count,
        coalesce(user_impressions.impression_count, 0) as impression_count,
        coalesce(user_totals.interaction_count, 0) as interaction_count,
        coalesce(user_totals.active_day_count, 0) as active_day_count,
        coalesce(user_totals.active_day_count_28d, 0) as active_day_count_28d,
        coalesce(user_totals.session_count, 0)
        + coalesce(user_gap_sessions.session_count, 0) as session_count,
        coalesce(user_totals.engagement, 0) as engagement_score,
        coalesce(user_tastes.distinct_item_count, 0) as distinct_item_count,
        coalesce(user_tastes.distinct_category_count, 0) as distinct_category_count,
        user_tastes.top_category_share,
        user_tastes.mainstream_rank,
        user_tastes.mean_price,
        user_totals.mean_dwell_seconds,
        user_totals.mean_scroll_fraction,
        (coalesce(user_impressions.answered_count, 0) + 20 * everyone.click_through_rate)
        / (coalesce(user_impressions.impression_count, 0) + 20) as click_through_rate,
        user_totals.rating_mean,
        coalesce(user_totals.rating_count, 0) as rating_count,
        user_totals.mobile_share,
    from users
    left join user_totals on users.user_id = user_totals.user_id
    left join user_gap_sessions on users.user_id = user_gap_sessions.user_id
    left join user_impressions on users.user_id = user_impressions.user_id
    left join user_tastes on users.user_id = user_tastes.user_id
    cross join everyone
)

select
    $as_of as as_of,
    user_id,
    country,
    top_category,
    recency_days,
    days_since_last_interaction as user_days_since_last_interaction,
    tenure_days,
    cast(event_count as bigint) as event_count,
    cast(impression_count as bigint) as impression_count,
    cast(interaction_count as bigint) as interaction_count,
    active_day_count,
    active_day_count_28d,
    cast(session_count as bigint) as session_count,
    cast(engagement_score as double) as engagement_score,
    percent_rank() over (partition by is_withheld order by engagement_score)
        as engagement_rank,
    cast(distinct_item_count as bigint) as distinct_item_count,
    distinct_category_count,
    cast(distinct_category_count as double) / nullif(distinct_item_count, 0) as category_spread,
    top_category_share,
    mainstream_rank,
    mean_price,
    mean_dwell_seconds as user_mean_dwell_seconds,
    mean_scroll_fraction as user_mean_scroll_fraction,
    click_through_rate as user_click_through_rate,
    rating_mean as user_rating_mean,
    cast(rating_count as bigint) as user_rating_count,
    mobile_share,
from joined
