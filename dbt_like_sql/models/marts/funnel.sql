-- A step counts when it follows the pair's first impression; the last of a kind tells that at once.
with thresholds (dwell_seconds_min) as (
    values (10)
),

segments as (
    select
        user_id,
        segment_id,
    from segments.user_segments
),

catalogue as (
    select
        item_id,
        category,
    from staging.stg_catalogue
),

events as (
    select
        events.event_id,
        events.user_id,
        events.item_id,
        events.device,
        events.occurred_us,
        events.event_type = 'impression' as is_impression,
        events.event_type in ('click', 'view', 'purchase', 'subscribe') as is_click,
        events.event_type in ('purchase', 'subscribe') as is_conversion,
        events.event_type <> 'impression'
        and events.dwell_seconds >= thresholds.dwell_seconds_min as is_dwell,
    from staging.stg_events as events
    cross join thresholds
    where (epoch_us($as_of) - events.occurred_us) <= 28 * 86400000000
),

pairs as (
    select
        user_id,
        item_id,
        min(occurred_us) as first_us,
        min(occurred_us) filter (where is_impression) as first_shown_us,
        arg_min(device, (occurred_us, event_id)) as first_device,
        arg_min(device, (occurred_us, event_id)) filter (where is_impression) as first_shown_device,
        max(occurred_us) filter (where is_click or is_dwell) as last_clicked_us,
        max(occurred_us) filter (where is_dwell) as last_dwelled_us,
        max(occurred_us) filter (where is_conversion) as last_converted_us,
    from events
    group by user_id, item_id
),

steps as (
    select
        coalesce(catalogue.category, 'unknown') as category,
        coalesce(pairs.first_shown_device, pairs.first_device, 'unknown') as device,
        coalesce(segments.segment_id, 'unknown') as lifecycle,
        cast(
            (epoch_us($as_of) - coalesce(pairs.first_shown_us, pairs.first_us) - 1)
            // (7 * 86400000000) as varchar
        ) as weeks_ago,
        pairs.first_shown_us is not null as is_shown,
        coalesce(pairs.last_clicked_us >= pairs.first_shown_us, false) as is_clicked,
        coalesce(pairs.last_dwelled_us >= pairs.first_shown_us, false) as is_dwelled,
        coalesce(pairs.last_converted_us >= pairs.first_shown_us, false) as is_converted,
    from pairs
    left join catalogue on pairs.item_id = catalogue.item_id
    left join segments on pairs.user_id = segments.user_id
),

counts as (
    select
        case
            when grouping(weeks_ago) = 0 then 'weeks_ago'
            when grouping(category) = 0 then 'category'
            when grouping(device) = 0 then 'device'
            when grouping(lifecycle) = 0 then 'lifecycle'
            else 'all'
        end as dimension,
        coalesce(weeks_ago, category, device, lifecycle, 'all') as value,
        count(*) filter (where is_shown) as shown_count,
        count(*) filter (where is_clicked) as clicked_count,
        count(*) filter (where is_dwelled) as dwelled_count,
        count(*) filter (where is_converted) as converted_count,
        count(*) filter (where is_dwelled and is_converted) as dwelled_converted_count,
        count(*) filter (where not is_shown) as unshown_count,
    from steps
    group by grouping sets ((), (weeks_ago), (category), (device), (lifecycle))
)

select
    $as_of as as_of,
    dimension,
    value,
    shown_count,
    clicked_count,
    dwelled_count,
    converted_count,
    dwelled_converted_count,
    unshown_count,
    clicked_count / cast(nullif(shown_count, 0) as double) as click_rate,
    dwelled_count / cast(nullif(clicked_count, 0) as double) as dwell_rate,
    converted_count / cast(nullif(clicked_count, 0) as double) as conversion_rate,
    dwelled_converted_count / cast(nullif(dwelled_count, 0) as double) as dwelled_conversion_rate,
    dwelled_count / cast(nullif(shown_count, 0) as double) as overall_dwell_rate,
    converted_count / cast(nullif(shown_count, 0) as double) as overall_conversion_rate,
from counts
