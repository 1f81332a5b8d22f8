with events as materialized (
    select
        event_id,
        user_id,
        item_id,
        event_type,
        occurred_us,
        dwell_seconds,
    from staging.stg_events
    where (epoch_us($as_of) - occurred_us) <= 56 * 86400000000
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

visits as (
    select
        event_id,
        row_number() over (
            partition by user_id, source_session_id, gap_started_us
            order by occurred_us, event_id
        ) = 1 as is_first,
    from staging.stg_sessions
    where (epoch_us($as_of) - occurred_us) <= 56 * 86400000000
),

placed as (
    select
        (epoch_us($as_of) - events.occurred_us - 1) // (7 * 86400000000) as weeks_ago,
        periods.list_as_of,
        events.user_id,
        events.item_id,
        events.event_type,
        events.dwell_seconds,
        visits.is_first,
        coalesce(answers.is_answered, false) as is_answered,
    from events
    inner join visits on events.event_id = visits.event_id
    left join staging.stg_answers as answers on events.event_id = answers.event_id
    left join periods
        on events.occurred_us >= periods.starts_us and events.occurred_us < periods.ends_us
),

listed as (
    select
        placed.weeks_ago,
        placed.list_as_of,
        placed.user_id,
        placed.event_type,
        placed.dwell_seconds,
        placed.is_first,
        placed.is_answered,
        lists.item_id is not null as is_listed,
    from placed
    left join lists
        on
            placed.list_as_of = lists.list_as_of
            and placed.user_id = lists.user_id
            and placed.item_id = lists.item_id
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
    count(*) filter (where event_type not in ('impression', 'dismiss')) as interaction_count,
    count(*) filter (where event_type in ('purchase', 'subscribe')) as conversion_count,
    count(*) filter (where event_type <> 'impression' and dwell_seconds is not null)
        as dwelled_count,
    cast(
        coalesce(
            sum(
                case when event_type <> 'impression' then cast(dwell_seconds as decimal(38, 9)) end
            ), 0
        ) as double
    ) as dwell_seconds,
    count(*) filter (where is_first) as session_count,
from listed
group by weeks_ago, list_as_of, user_id
