-- Items are counted by number, which is several times as fast as by id; numbers follow the ids, so
-- that ties fall as they would by id. Weights are counted in quarters: sums of integers.
with visits as materialized (
    select
        user_id,
        item_id,
        place,
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

numbered as (
    select
        visits.user_id,
        visits.place,
        items.item_number,
        max(visits.place) over (partition by visits.user_id) as last_place,
    from visits
    inner join items on visits.item_id = items.item_id
),

paths as materialized (
    select
        item_number,
        lead(item_number, 1) over user_visits as next_number_1,
        lead(item_number, 2) over user_visits as next_number_2,
        lead(item_number, 3) over user_visits as next_number_3,
    from numbered
    where place > last_place - 200
    window user_visits as (partition by user_id order by place)
),

steps as (
    select
        item_number,
        next_number_1 as next_number,
        4 as quarters,
    from paths
    union all
    select
        item_number,
        next_number_2 as next_number,
        2 as quarters,
    from paths
    union all
    select
        item_number,
        next_number_3 as next_number,
        1 as quarters,
    from paths
),

pairs as (
    select
        item_number,
        next_number,
        count(*) as pair_count,
        sum(quarters) as quarters,
    from steps
    where item_number <> next_number
    group by item_number, next_number
),

ranked as (
    select
        item_number,
        next_number,
        pair_count,
        quarters,
        sum(quarters) over (partition by item_number) as item_quarters,
        row_number() over (
            partition by item_number order by quarters desc, next_number asc
        ) as rank,
    from pairs
)

select
    $as_of as as_of,
    items.item_id,
    next_items.item_id as next_item_id,
    ranked.pair_count,
    ranked.quarters / 4.0 as weight,
    cast(ranked.quarters as double) / ranked.item_quarters as probability,
    ranked.rank,
from ranked
inner join items on ranked.item_number = items.item_number
inner join items as next_items on ranked.next_number = next_items.item_number
where ranked.rank <= 50
