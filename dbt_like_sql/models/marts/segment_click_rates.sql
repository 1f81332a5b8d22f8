-- Recommended items are those of the user's list that was the newest when the item was shown.
with outcomes as (
    select
        weeks_ago,
        user_id,
        impression_count,
        clicked_count,
        listed_impression_count,
        listed_clicked_count,
    from staging.stg_weekly_outcomes
),

segments as (
    select
        user_id,
        segment_id,
        segment_name,
    from segments.user_segments
),

counts as (
    select
        outcomes.weeks_ago,
        coalesce(segments.segment_id, 'unknown') as segment_id,
        min(coalesce(segments.segment_name, 'unknown')) as segment_name,
        count(distinct outcomes.user_id) as user_count,
        sum(outcomes.impression_count) as impression_count,
        sum(outcomes.clicked_count) as clicked_count,
        sum(outcomes.listed_impression_count) as listed_impression_count,
        sum(outcomes.listed_clicked_count) as listed_clicked_count,
    from outcomes
    left join segments on outcomes.user_id = segments.user_id
    group by outcomes.weeks_ago, coalesce(segments.segment_id, 'unknown')
)

select
    $as_of as as_of,
    weeks_ago,
    segment_id,
    segment_name,
    user_count,
    cast(impression_count as bigint) as impression_count,
    cast(clicked_count as bigint) as clicked_count,
    cast(listed_impression_count as bigint) as listed_impression_count,
    cast(listed_clicked_count as bigint) as listed_clicked_count,
    clicked_count / nullif(cast(impression_count as double), 0) as click_through_rate,
    listed_clicked_count / nullif(cast(listed_impression_count as double), 0)
        as listed_click_through_rate,
from counts
