-- Items are counted by number, which is several times as fast as by id; numbers follow the ids, so
-- that ties fall as they would by id. 0 stands for no item before.
with visits as materialized (
    select
        user_id,
        item_id,
        place,
        source_session_id,
        gap_started_us,
    from staging.stg_visits
),

visited as (
    select distinct item_id,
    from visits
),

items as materialized (
    select
        item_id,
        row_number() over (order by item_id) as item_number,
    from visited
),

paths as materialized (
    select
        items.item_number as first_number,
        lead(items.item_number, 1) over session_visits as second_number,
        lead(items.item_number, 2) over session_visits as third_number,
    from visits
    inner join items on visits.item_id = items.item_id
    window
        session_visits as (
            partition by visits.user_id, visits.source_session_id, visits.gap_started_us
            order by visits.place
        )
),

runs as (
    select
        0 as before_number,
        first_number as item_number,
        second_number as next_number,
    from paths
    where second_number is not null
    union all
    select
        first_number as before_number,
        second_number as item_number,
        third_number as next_number,
    from paths
    where third_number is not null
),

counted as (
    select
        before_number,
        item_number,
        next_number,
        count(*) as occurrence_count,
    from runs
    group by before_number, item_number, next_number
),

ranked as (
    select
        before_number,
        item_number,
        next_number,
        occurrence_count,
        sum(occurrence_count) over context as context_count,
        row_number() over (context order by occurrence_count desc, next_number asc) as rank,
    from counted
    window context as (partition by before_number, item_number)
)

select
    $as_of as as_of,
    case when ranked.before_number = 0 then 2 else 3 end as length,
    coalesce(before_items.item_id, '') as before_item_id,
    items.item_id,
    next_items.item_id as next_item_id,
    ranked.occurrence_count,
    cast(ranked.occurrence_count as double) / ranked.context_count as probability,
    ranked.rank,
from ranked
left join items as before_items on ranked.before_number = before_items.item_number
inner join items on ranked.item_number = items.item_number
inner join items as next_items on ranked.next_number = next_items.item_number
where
    ranked.rank <= 20
    and ranked.occurrence_count >= 2
