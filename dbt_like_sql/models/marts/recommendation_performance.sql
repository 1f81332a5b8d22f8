-- A list's windows begin at its own as_of, and are told of once they are over.
-- An event counts whoever showed the item: few logs say which list a page came from.
-- Lists of a device count as those of the person it turned out to belong to.
with opted_out as (
    select user_id,
    from staging.stg_opted_out
),

identities as (
    select
        anonymous_id,
        user_id,
    from staging.stg_identities
    where
        knowledge = 'as_of'
        and starts_at < $as_of
        and ends_at >= $as_of
),

lists as (
    select
        as_of as list_as_of,
        epoch_us(as_of) as listed_us,
        user_id,
        item_id,
        rank,
    from recommendations.lists_history
    where as_of between $as_of - interval 90 day and $as_of - interval 7 day
),

listed as (
    select
        lists.list_as_of,
        lists.listed_us,
        lists.user_id,
        coalesce(identities.user_id, lists.user_id) as person_id,
        lists.item_id,
        lists.rank,
    from lists
    anti join opted_out on lists.user_id = opted_out.user_id
    left join identities on lists.user_id = identities.anonymous_id
),

events as (
    select
        user_id,
        item_id,
        event_type,
        occurred_us,
    from staging.stg_events
    where (epoch_us($as_of) - occurred_us) <= 90 * 86400000000
),

outcomes as (
    select
        listed.list_as_of,
        listed.user_id,
        listed.rank,
        (epoch_us($as_of) - listed.listed_us) >= 28 * 86400000000 as is_over_28d,
        min(events.occurred_us - listed.listed_us)
        filter (where events.event_type = 'impression') as shown_after_us,
        min(events.occurred_us - listed.listed_us)
        filter (where events.event_type in ('click', 'view')) as visited_after_us,
        min(events.occurred_us - listed.listed_us)
        filter (where events.event_type <> 'impression') as consumed_after_us,
        min(events.occurred_us - listed.listed_us)
        filter (where events.event_type in ('purchase', 'subscribe')) as converted_after_us,
    from listed
    left join events
        on
            listed.person_id = events.user_id
            and listed.item_id = events.item_id
            and listed.listed_us <= events.occurred_us
            and listed.listed_us + 28 * 86400000000 > events.occurred_us
    group by listed.list_as_of, listed.listed_us, listed.user_id, listed.rank
),

places as (
    select
        list_as_of,
        is_over_28d,
        coalesce(rank, 0) as rank,
        count(distinct user_id) as user_count,
        count(distinct user_id) filter (where shown_after_us < 7 * 86400000000)
            as seeing_user_count_7d,
        count(*) as recommended_count,
        count(*) filter (where shown_after_us < 7 * 86400000000) as shown_count_7d,
        count(*) filter (where visited_after_us < 7 * 86400000000) as visited_count_7d,
        count(*) filter (where consumed_after_us < 7 * 86400000000) as consumed_count_7d,
        count(*) filter (where converted_after_us < 7 * 86400000000) as converted_count_7d,
        count(shown_after_us) as shown_count_28d,
        count(visited_after_us) as visited_count_28d,
        count(consumed_after_us) as consumed_count_28d,
        count(converted_after_us) as converted_count_28d,
    from outcomes
    group by grouping sets ((list_as_of, is_over_28d, rank), (list_as_of, is_over_28d))
)

select
    $as_of as as_of,
    list_as_of,
    rank,
    user_count,
    seeing_user_count_7d,
    recommended_count,
    shown_count_7d,
    visited_count_7d,
    consumed_count_7d,
    converted_count_7d,
    sum(consumed_count_7d) over places_so_far
    / cast(sum(recommended_count) over places_so_far as double) as precision_7d,
    case when is_over_28d then shown_count_28d end as shown_count_28d,
    case when is_over_28d then visited_count_28d end as visited_count_28d,
    case when is_over_28d then consumed_count_28d end as consumed_count_28d,
    case when is_over_28d then converted_count_28d end as converted_count_28d,
    case
        when is_over_28d
            then
                sum(consumed_count_28d) over places_so_far
                / cast(sum(recommended_count) over places_so_far as double)
    end as precision_28d,
from places
window
    places_so_far as (
        partition by list_as_of, rank = 0
        order by rank
        rows between unbounded preceding and current row
    )
