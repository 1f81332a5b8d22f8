-- Impressions come with their answers, visits with their first event: none is joined by its name.
with happened as (
    select
        user_id,
        item_id,
        occurred_us,
        'impression' as event_type,
        is_answered,
        cast(null as double) as dwell_seconds,
    from staging.stg_answers
    where (epoch_us($as_of) - occurred_us) <= 56 * 86400000000
    union all
    select
        user_id,
        item_id,
        occurred_us,
        event_type,
        false as is_answered,
        dwell_seconds,
    from staging.stg_events
    where event_type <> 'impression' and (epoch_us($as_of) - occurred_us) <= 56 * 86400000000
    union all
    select
        user_id,
        cast(null as varchar) as item_id,
        min(occurred_us) as occurred_us,
        'visit' as event_type,
        false as is_answered,
        cast(null as double) as dwell_seconds,
    from staging.stg_sessions
    where (epoch_us($as_of) - occurred_us) <= 56 * 86400000000
    group by user_id, source_session_id, gap_started_us
),

lists as (
    select
        as_of as list_as_of,
        user_id,
        item_id,
    from recommendations.lists_history
    where as_of >= $as_of - interval 56 day
),

list_starts as (
    select distinct
        list_as_of,
        epoch_us(list_as_of) as starts_us,
    from lists
),

periods as (
    select
        list_as_of,
        starts_us,
        coalesce(lead(starts_us) over (order by starts_us), epoch_us($as_of)) as ends_us,
    from list_starts
),

listed as (
    select
        (epoch_us($as_of) - happened.occurred_us - 1) // (7 * 86400000000) as weeks_ago,
        periods.list_as_of,
        happened.user_id,
        happened.event_type,
        happened.dwell_seconds,
        happened.is_answered,
        lists.item_id is not null as is_listed,
    from happened
    left join periods
        on happened.occurred_us >= periods.starts_us and happened.occurred_us < periods.ends_us
    left join lists
        on
            periods.list_as_of = lists.list_as_of
            and happened.user_id = lists.user_id
            and happened.item_id = lists.item_id
)

select
    weeks_ago,
    list_as_of,
    user_id,
    count(*) filter (where event_type = 'impression') as impression_count,
    count(*) filter (where event_type = 'impression' and is_answered) as clicked_count,
    count(*) filter (where event_type = 'impression' and is_listed) as listed_impression_count,
    count(*) filter (where event_type = 'impression' and is_listed and is_answered)
        as listed_clicked_count,
    count(*) filter (where event_type not in ('impression', 'dismiss', 'visit'))
        as interaction_count,
    count(*) filter (where event_type in ('purchase', 'subscribe')) as conversion_count,
    count(dwell_seconds) as dwelled_count,
    cast(coalesce(sum(cast(dwell_seconds as decimal(38, 9))), 0) as double) as dwell_seconds,
    count(*) filter (where event_type = 'visit') as session_count,
from listed
group by weeks_ago, list_as_of, user_id
