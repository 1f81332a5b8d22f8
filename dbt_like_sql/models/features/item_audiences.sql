with audiences as (
    select
        item_id,
        dimension,
        value,
        interaction_count,
    from staging.stg_item_audiences
    where interaction_count > 0
),

counted as (
    select
        item_id,
        dimension,
        value,
        interaction_count,
        sum(interaction_count) over (partition by item_id, dimension) as item_count,
        sum(interaction_count) over (partition by dimension, value) as value_count,
        sum(interaction_count) over (partition by dimension) as dimension_count,
    from audiences
),

shares as (
    select
        item_id,
        dimension,
        value,
        interaction_count,
        cast(interaction_count as double) / item_count as item_share,
        cast(value_count as double) / dimension_count as overall_share,
    from counted
)

select
    $as_of as as_of,
    item_id,
    dimension,
    value,
    interaction_count,
    item_share as share,
    overall_share,
    item_share / overall_share as lift,
from shares
