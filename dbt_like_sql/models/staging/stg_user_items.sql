-- The heavy aggregate, kept narrow: what does not need pairs is summed from stg_events directly.
-- An impression is answered at most once, by a click or a view of the same user and item.
with events as (
    select
        user_id,
        item_id,
        event_type,
        position,
        occurred_us,
        weight,
        (epoch_us($as_of) - occurred_us) / 86400000000.0 as age_days,
    from staging.stg_events
),

pairs as (
    select
        user_id,
        item_id,
        count(*) filter (where event_type = 'impression') as impression_count,
        count(*) filter (where event_type <> 'impression') as interaction_count,
        count(*) filter (where event_type = 'click') as click_count,
        count(*) filter (where event_type = 'view') as view_count,
        count(*) filter (where event_type in ('purchase', 'subscribe')) as conversion_count,
        min(position) filter (where event_type = 'impression') as first_position,
        max(occurred_us) filter (where event_type = 'impression') as last_impression_us,
        max(occurred_us) filter (where event_type <> 'impression') as last_interaction_us,
        sum(cast(weight as decimal(18, 9))) as weight,
        sum(cast(power(0.5, age_days / 7) * weight as decimal(18, 9))) as weight_7d,
    from events
    group by user_id, item_id
)

select
    user_id,
    item_id,
    impression_count,
    interaction_count,
    least(greatest(click_count, view_count), impression_count) as answered_count,
    conversion_count,
    case when first_position > 50 then 50 else first_position end as first_position,
    last_impression_us,
    last_interaction_us,
    weight,
    weight_7d,
from pairs
