-- Clicks over expected clicks (Zhang & Jones 2007): what the item's impressions would have brought
-- if each had been answered as often as impressions at its pair's best place usually are.
with pairs as (
    select
        item_id,
        first_position,
        impression_count,
        answered_count,
        last_interaction_us,
        interaction_count > 0 as is_consumed,
        conversion_count > 0 as is_converted,
    from staging.stg_user_items
),

item_positions as materialized (
    select
        item_id,
        first_position,
        sum(impression_count) as impression_count,
        sum(answered_count) as answered_count,
        count(*) filter (where is_consumed) as user_count,
        count(*) filter (
            where epoch_us($as_of) - last_interaction_us <= 7 * 86400000000
        ) as user_count_7d,
        count(*) filter (where is_consumed and is_converted) as converted_count,
    from pairs
    group by item_id, first_position
),

position_rates as (
    select
        first_position,
        sum(answered_count) / nullif(sum(impression_count), 0) as answered_rate,
    from item_positions
    group by first_position
),

expected as (
    select
        item_positions.item_id,
        item_positions.impression_count,
        item_positions.answered_count,
        item_positions.user_count,
        item_positions.user_count_7d,
        item_positions.converted_count,
        cast(
            item_positions.impression_count * position_rates.answered_rate as decimal(38, 12)
        ) as expected_count,
    from item_positions
    inner join position_rates
        on item_positions.first_position is not distinct from position_rates.first_position
)

select
    item_id,
    cast(sum(impression_count) as bigint) as impression_count,
    cast(sum(answered_count) as bigint) as answered_count,
    cast(coalesce(sum(expected_count), 0) as double) as expected_answered_count,
    cast(sum(user_count) as bigint) as user_count,
    cast(sum(user_count_7d) as bigint) as user_count_7d,
    cast(sum(converted_count) as bigint) as converted_user_count,
from expected
group by item_id
