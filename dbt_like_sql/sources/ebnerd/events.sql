-- One impression an article in view, one click an article clicked. Instants without a zone are UTC.
with views as (
    select
        line_number,
        user_id,
        impression_id,
        'ebnerd-' || impression_id as request_id,
        impression_time at time zone 'UTC' as occurred_at,
        session_id,
        case device_type
            when 1 then 'desktop'
            when 2 then 'mobile'
            when 3 then 'tablet'
            when 0 then null
            else device_type::varchar
        end as device,
        article_ids_inview as shown,
        article_ids_clicked as clicked,
        -- The next page is told once a record: with two clicks nobody knows whose it was.
        case when len(article_ids_clicked) = 1 then next_read_time end as dwell_seconds,
        case
            when len(article_ids_clicked) = 1 then next_scroll_percentage / 100
        end as scroll_fraction,
    from raw_records
),

impressions as (
    select
        *,
        unnest(shown) as item_id,
        generate_subscripts(shown, 1) as place,
    from views
),

clicks as (
    select
        *,
        unnest(clicked) as item_id,
        generate_subscripts(clicked, 1) as place,
    from views
)

select
    line_number,
    request_id || '-impression-' || place as event_id,
    user_id,
    item_id,
    'impression' as event_type,
    occurred_at,
    session_id,
    null::double as dwell_seconds,
    null::double as scroll_fraction,
    place::integer as position,
    request_id,
    device,
from impressions
union all
select
    line_number,
    request_id || '-click-' || place as event_id,
    user_id,
    item_id,
    'click' as event_type,
    occurred_at,
    session_id,
    dwell_seconds,
    scroll_fraction,
    nullif(list_position(shown, item_id), 0)::integer as position,
    request_id,
    device,
from clicks
