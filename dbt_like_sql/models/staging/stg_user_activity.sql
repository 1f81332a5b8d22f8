-- What segments take of everybody; what reads more of each event is in stg_user_habits.
with events as (
    select
        user_id,
        occurred_us,
        event_type <> 'impression' as is_interaction,
        event_type in ('purchase', 'subscribe') as is_conversion,
        epoch_us($as_of) - occurred_us as age_us,
        weight,
    from staging.stg_events
)

select
    user_id,
    min(occurred_us) as first_event_us,
    max(occurred_us) as last_event_us,
    count(*) as event_count,
    count(*) filter (where is_interaction and age_us <= 28 * 86400000000)
        as interaction_count_28d,
    count(*) filter (where is_conversion and age_us <= 28 * 86400000000) as conversion_count_28d,
    sum(cast(power(0.5, age_us / (14 * 86400000000.0)) * weight as decimal(18, 9)))
        as engagement_score,
from events
group by user_id
