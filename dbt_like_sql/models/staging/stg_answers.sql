-- An impression was answered if its user did anything but dismiss within a day, and before the
-- item was shown to them again. An answer at the instant of a second showing belongs to that one.
with pairs as (
    select
        event_id,
        user_id,
        item_id,
        event_type,
        occurred_us,
        min(case when event_type not in ('impression', 'dismiss') then occurred_us end)
            over later as answered_us,
        min(case when event_type = 'impression' then occurred_us end) over later as shown_again_us,
    from staging.stg_events
    where (epoch_us($as_of) - occurred_us) <= 180 * 86400000000
    window
        later as (
            partition by user_id, item_id
            order by occurred_us, event_type <> 'impression', event_id
            rows between 1 following and unbounded following
        )
)

select
    event_id,
    user_id,
    item_id,
    occurred_us,
    coalesce(
        answered_us < occurred_us + 86400000000
        and (shown_again_us is null or answered_us < shown_again_us),
        false
    ) as is_answered,
from pairs
where event_type = 'impression'
