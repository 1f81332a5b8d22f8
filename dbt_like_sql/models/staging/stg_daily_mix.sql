-- A user counts once a day, whatever they did: their shares of a mix sum to one.
-- Shares of many users are known from 10,000 of them, always the same, drawn by a hash of their id.
-- Days end at the instant, so that the same weekday lies 7, 14, 21, … days ago.
with recent as materialized (
    select
        (epoch_us($as_of) - occurred_us - 1) // 86400000000 as days_ago,
        user_id,
        item_id,
        event_type,
        source,
        coalesce(device, 'unknown') as device,
        weight > 0 as is_positive,
    from staging.stg_events
    where (epoch_us($as_of) - occurred_us) <= 57 * 86400000000
),

drawn as materialized (
    select user_id,
    from recent
    group by user_id
    order by md5(user_id) asc, user_id asc
    limit 10000
),

events as materialized (
    select
        recent.days_ago,
        recent.user_id,
        recent.item_id,
        recent.event_type,
        recent.source,
        recent.device,
        recent.is_positive,
    from recent
    semi join drawn on recent.user_id = drawn.user_id
),

typed as materialized (
    select
        days_ago,
        user_id,
        event_type,
        case when grouping(source) = 0 then source else 'all' end as source,
        case when grouping(device) = 0 then 'device: ' || device else 'all' end as segment,
        count(*) as event_count,
    from events
    group by
        grouping sets (
            (days_ago, user_id, event_type),
            (days_ago, user_id, event_type, source),
            (days_ago, user_id, event_type, device)
        )
),

sourced as (
    select
        days_ago,
        user_id,
        source,
        sum(event_count) as event_count,
    from typed
    where source <> 'all'
    group by days_ago, user_id, source
),

paired as (
    select
        days_ago,
        user_id,
        item_id,
        case when grouping(device) = 0 then 'device: ' || device else 'all' end as segment,
        bool_or(is_positive) as is_positive,
    from events
    group by
        grouping sets (
            (days_ago, user_id, item_id),
            (days_ago, user_id, item_id, device)
        )
),

labelled as (
    select
        days_ago,
        user_id,
        segment,
        case when is_positive then 'positive' else 'other' end as value,
        count(*) as item_count,
    from paired
    group by days_ago, user_id, segment, is_positive
),

shares as (
    select
        days_ago,
        'event_type' as dimension,
        segment,
        source,
        event_type as value,
        event_count
        / sum(event_count) over (partition by days_ago, user_id, segment, source) as user_share,
    from typed
    union all
    select
        days_ago,
        'source' as dimension,
        'all' as segment,
        'all' as source,
        source as value,
        event_count / sum(event_count) over (partition by days_ago, user_id) as user_share,
    from sourced
    union all
    select
        days_ago,
        'label' as dimension,
        segment,
        'all' as source,
        value,
        item_count / sum(item_count) over (partition by days_ago, user_id, segment) as user_share,
    from labelled
)

select
    days_ago,
    dimension,
    segment,
    source,
    value,
    cast(sum(cast(user_share as decimal(18, 9))) as double) as user_share_sum,
    cast(sum(cast(user_share * user_share as decimal(18, 9))) as double) as user_share_square_sum,
from shares
group by days_ago, dimension, segment, source, value
