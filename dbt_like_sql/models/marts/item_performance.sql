with items as (
    select
        item_id,
        title,
        category,
        creator,
        language,
        published_at,
        first_seen_at,
        is_available,
    from staging.stg_items
),

numbers as (
    select
        item_id,
        age_days,
        impression_count,
        interaction_count,
        user_count,
        user_count_7d,
        popularity_7d_share,
        popularity_7d_rank,
        popularity_7d_to_28d_ratio,
        item_click_through_rate,
        item_mean_dwell_seconds,
        item_rating_mean,
        item_rating_count,
    from features.item_features
)

select
    $as_of as as_of,
    items.item_id,
    items.title,
    items.category,
    items.creator,
    items.language,
    items.published_at,
    items.first_seen_at,
    items.is_available,
    numbers.age_days,
    numbers.impression_count,
    numbers.interaction_count,
    numbers.user_count,
    numbers.user_count_7d,
    numbers.popularity_7d_share,
    numbers.popularity_7d_rank,
    numbers.popularity_7d_to_28d_ratio,
    numbers.item_click_through_rate as click_through_rate,
    numbers.item_mean_dwell_seconds as mean_dwell_seconds,
    numbers.item_rating_mean as rating_mean,
    numbers.item_rating_count as rating_count,
from items
inner join numbers on items.item_id = numbers.item_id
