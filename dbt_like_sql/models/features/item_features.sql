with items as (
    select
        item_id,
        price,
        published_at,
        first_seen_at,
    from staging.stg_items
),

events as (
    select
        item_id,
        event_type,
        occurred_us,
        weight,
        case when event_type = 'rating' then try_cast(value as decimal(38, 9)) end as rating,
        try_cast(dwell_seconds as decimal(38, 9)) as dwell_seconds,
        try_cast(scroll_fraction as decimal(38, 9)) as scroll_fraction,
        (epoch_us($as_of) - occurred_us) / 86400000000.0 as age_days,
    from staging.stg_events
),

item_totals as (
    select
        item_id,
        count(*) filter (where event_type <> 'impression') as interaction_count,
        max(occurred_us) filter (where event_type <> 'impression') as last_interaction_us,
        sum(cast(power(0.5, age_days) * weight as decimal(18, 9))) as popularity_1d,
        sum(cast(power(0.5, age_days / 7) * weight as decimal(18, 9))) as popularity_7d,
        sum(cast(power(0.5, age_days / 28) * weight as decimal(18, 9))) as popularity_28d,
        count(rating) as rating_count,
        sum(rating) / nullif(count(rating), 0) as rating_mean,
        sum(dwell_seconds) / nullif(count(dwell_seconds), 0) as mean_dwell_seconds,
        sum(scroll_fraction) / nullif(count(scroll_fraction), 0) as mean_scroll_fraction,
    from events
    group by item_id
),

pairs as (
    select
        item_id,
        impression_count,
        interaction_count,
        answered_count,
        (epoch_us($as_of) - last_interaction_us) <= 7 * 86400000000 as is_recent,
    from staging.stg_user_items
),

item_users as (
    select
        item_id,
        sum(impression_count) as impression_count,
        sum(answered_count) as answered_count,
        count(*) filter (where interaction_count > 0) as user_count,
        count(*) filter (where is_recent) as user_count_7d,
    from pairs
    group by item_id
),

numbers as materialized (
    select
        item_totals.item_id,
        item_totals.interaction_count,
        item_totals.last_interaction_us,
        item_totals.popularity_1d,
        item_totals.popularity_7d,
        item_totals.popularity_28d,
        item_totals.rating_count,
        item_totals.rating_mean,
        item_totals.mean_dwell_seconds,
        item_totals.mean_scroll_fraction,
        item_users.impression_count,
        item_users.answered_count,
        item_users.user_count,
        item_users.user_count_7d,
    from item_totals
    inner join item_users on item_totals.item_id = item_users.item_id
),

everything as (
    select
        sum(answered_count) / nullif(sum(impression_count), 0) as click_through_rate,
        sum(impression_count) as impression_count,
        sum(interaction_count) as interaction_count,
        sum(popularity_1d) as popularity_1d,
        sum(popularity_7d) as popularity_7d,
        sum(popularity_28d) as popularity_28d,
    from numbers
),

joined as (
    select
        items.item_id,
        items.price,
        (
            epoch_us($as_of)
            - least(epoch_us(items.published_at), epoch_us(items.first_seen_at))
        ) / 86400000000.0 as age_days,
        (epoch_us($as_of) - numbers.last_interaction_us) / 86400000000.0
            as days_since_last_interaction,
        coalesce(numbers.impression_count, 0) as impression_count,
        coalesce(numbers.interaction_count, 0) as interaction_count,
        coalesce(numbers.answered_count, 0) as answered_count,
        coalesce(numbers.user_count, 0) as user_count,
        coalesce(numbers.user_count_7d, 0) as user_count_7d,
        coalesce(numbers.popularity_1d, 0) as popularity_1d,
        coalesce(numbers.popularity_7d, 0) as popularity_7d,
        coalesce(numbers.popularity_28d, 0) as popularity_28d,
        coalesce(numbers.rating_count, 0) as rating_count,
        numbers.rating_mean,
        numbers.mean_dwell_seconds,
        numbers.mean_scroll_fraction,
    from items
    left join numbers on items.item_id = numbers.item_id
)

select
    $as_of as as_of,
    joined.item_id,
    joined.price,
    joined.age_days,
    joined.days_since_last_interaction as item_days_since_last_interaction,
    cast(joined.impression_count as bigint) as impression_count,
    coalesce(joined.impression_count / nullif(everything.impression_count, 0), 0)
        as impression_share,
    cast(joined.interaction_count as bigint) as interaction_count,
    coalesce(joined.interaction_count / nullif(everything.interaction_count, 0), 0)
        as interaction_share,
    joined.user_count,
    percent_rank() over (order by joined.user_count) as user_count_rank,
    joined.user_count_7d,
    percent_rank() over (order by joined.user_count_7d) as user_count_7d_rank,
    joined.user_count_7d / cast(nullif(joined.user_count, 0) as double) as recent_user_share,
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
    joined.popularity_1d / nullif(joined.popularity_7d, 0) as popularity_1d_to_7d_ratio,
    joined.popularity_7d / nullif(joined.popularity_28d, 0) as popularity_7d_to_28d_ratio,
    (joined.answered_count + 20 * everything.click_through_rate)
    / (joined.impression_count + 20) as item_click_through_rate,
    joined.mean_dwell_seconds as item_mean_dwell_seconds,
    joined.mean_scroll_fraction as item_mean_scroll_fraction,
    joined.rating_mean as item_rating_mean,
    cast(joined.rating_count as bigint) as item_rating_count,
from joined
cross join everything
