with users as (
    select
        user_id,
        event_count,
        recency_days,
        tenure_days,
        active_day_count_28d,
    from features.user_features
),

-- Days since the last event, days since the first, and days with an event among the last 28.
thresholds (
    dormant_days, lapsing_days, newcomer_days, power_active_days, regular_active_days
) as (
    values (60, 21, 14, 8, 3)
),

names (segment_id, segment_name) as (
    values
    ('brand_new', 'Brand-new users'),
    ('newcomer', 'Newcomers'),
    ('power', 'Power users'),
    ('regular', 'Regular users'),
    ('casual', 'Casual users'),
    ('lapsing', 'Lapsing users'),
    ('dormant', 'Dormant users')
),

assigned as (
    select
        users.user_id,
        case
            when users.event_count = 0 then 'brand_new'
            when users.recency_days > thresholds.dormant_days then 'dormant'
            when users.recency_days > thresholds.lapsing_days then 'lapsing'
            when users.tenure_days <= thresholds.newcomer_days then 'newcomer'
            when users.active_day_count_28d >= thresholds.power_active_days then 'power'
            when users.active_day_count_28d >= thresholds.regular_active_days then 'regular'
            else 'casual'
        end as segment_id,
    from users
    cross join thresholds
)

select
    $as_of as as_of,
    assigned.user_id,
    assigned.segment_id,
    names.segment_name,
from assigned
inner join names on assigned.segment_id = names.segment_id
