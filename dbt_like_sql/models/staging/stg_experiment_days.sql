with events as materialized (
    select
        event_id,
        user_id,
        item_id,
        event_type,
        occurred_us,
        event_date,
        request_id,
        value,
        device,
    from staging.stg_events
    where (epoch_us($as_of) - occurred_us) <= 180 * 86400000000
),

named as (
    select
        event_id,
        unnest(string_split(substr(request_id, strpos(request_id, '~') + 1), '~')) as pair,
    from events
    where event_type = 'impression' and strpos(request_id, '~') > 0
),

shown as (
    select
        events.event_id,
        events.user_id,
        events.occurred_us,
        events.event_date,
        events.device,
        split_part(named.pair, '=', 1) as experiment,
        split_part(named.pair, '=', 2) as variant,
    from named
    inner join events on named.event_id = events.event_id
    where regexp_full_match(named.pair, '[a-z][a-z0-9_-]{0,31}=[a-z][a-z0-9_-]{0,31}')
),

exposed as (
    select
        user_id,
        experiment,
        min(occurred_us) as exposed_us,
        min(variant) as variant,
        count(distinct variant) as variant_count,
        arg_min(coalesce(device, ''), (occurred_us, event_id)) as device,
    from shown
    group by user_id, experiment
),

answers as (
    select
        shown.user_id,
        shown.experiment,
        shown.event_date,
        shown.variant,
        outcomes.is_answered as is_clicked,
    from shown
    inner join staging.stg_answers as outcomes on shown.event_id = outcomes.event_id
),

shown_days as (
    select
        user_id,
        experiment,
        event_date,
        count(*) as impression_count,
        count(*) filter (where is_clicked) as clicked_count,
        list(variant order by variant) filter (where is_clicked) as clicked_variants,
    from answers
    group by user_id, experiment, event_date
),

done_days as (
    select
        exposed.user_id,
        exposed.experiment,
        events.event_date,
        events.occurred_us >= exposed.exposed_us as is_exposed,
        count(*) filter (where events.event_type not in ('impression', 'dismiss'))
            as interaction_count,
        count(*) filter (where events.event_type in ('purchase', 'subscribe')) as conversion_count,
        sum(
            case
                when events.event_type in ('purchase', 'subscribe')
                    then try_cast(events.value as decimal(38, 9))
            end
        ) as conversion_value,
    from exposed
    inner join events on exposed.user_id = events.user_id
    where events.occurred_us >= exposed.exposed_us - 28 * 86400000000
    group by
        exposed.user_id,
        exposed.experiment,
        events.event_date,
        events.occurred_us >= exposed.exposed_us
)

select
    done_days.experiment,
    done_days.user_id,
    done_days.event_date,
    done_days.is_exposed,
    exposed.variant,
    exposed.variant_count,
    exposed.device,
    cast(
        make_timestamp(exposed.exposed_us) as date
    ) as exposed_date,
    case when done_days.is_exposed then coalesce(shown_days.impression_count, 0) else 0 end
        as impression_count,
    case when done_days.is_exposed then coalesce(shown_days.clicked_count, 0) else 0 end
        as clicked_count,
    coalesce(case when done_days.is_exposed then shown_days.clicked_variants end, [])
        as clicked_variants,
    done_days.interaction_count,
    done_days.conversion_count,
    cast(coalesce(done_days.conversion_value, 0) as double) as conversion_value,
from done_days
inner join exposed
    on
        done_days.user_id = exposed.user_id
        and done_days.experiment = exposed.experiment
left join shown_days
    on
        done_days.user_id = shown_days.user_id
        and done_days.experiment = shown_days.experiment
        and done_days.event_date = shown_days.event_date
