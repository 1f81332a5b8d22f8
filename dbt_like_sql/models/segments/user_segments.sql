with users as (
    select
        user_id,
        event_count,
        interaction_count_28d,
        conversion_count_28d,
        recency_days,
        tenure_days,
        active_day_count_28d,
        engagement_rank,
    from features.user_lifecycle
),

-- Days since the last event, days since the first, share of conversions among the interactions of
-- the last 28 days, and scores.
thresholds (
    dormant_days, lapsing_days, newcomer_days, converter_share, power_score, regular_score
) as (
    values (60, 21, 14, 0.02, 0.65, 0.4)
),

-- What counts as half and as full in the parts of the score.
scales (recency_half_life_days, full_active_days) as (
    values (7, 12)
),

names (segment_id, segment_name) as (
    values
    ('brand_new', 'Brand-new users'),
    ('newcomer', 'Newcomers'),
    ('converter', 'Converters'),
    ('power', 'Power users'),
    ('regular', 'Regular users'),
    ('casual', 'Casual users'),
    ('lapsing', 'Lapsing users'),
    ('dormant', 'Dormant users')
),

scored as (
    select
        users.user_id,
        users.event_count,
        users.interaction_count_28d,
        users.recency_days,
        users.tenure_days,
        users.conversion_count_28d,
        case
            when users.event_count > 0
                then (
                    power(0.5, users.recency_days / scales.recency_half_life_days)
                    + least(users.active_day_count_28d / cast(scales.full_active_days as double), 1)
                    + users.engagement_rank
                ) / 3
        end as activity_score,
    from users
    cross join scales
),

assigned as (
    select
        scored.user_id,
        case
            when scored.event_count = 0 then 'brand_new'
            when scored.recency_days > thresholds.dormant_days then 'dormant'
            when scored.recency_days > thresholds.lapsing_days then 'lapsing'
            when scored.tenure_days <= thresholds.newcomer_days then 'newcomer'
            when
                scored.conversion_count_28d > 0
                and scored.conversion_count_28d
                >= thresholds.converter_share * scored.interaction_count_28d
                then 'converter'
            when scored.activity_score >= thresholds.power_score then 'power'
            when scored.activity_score >= thresholds.regular_score then 'regular'
            else 'casual'
        end as segment_id,
    from scored
    cross join thresholds
)

select
    $as_of as as_of,
    assigned.user_id,
    assigned.segment_id,
    names.segment_name,
from assigned
inner join names on assigned.segment_id = names.segment_id
