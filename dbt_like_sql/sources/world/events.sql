-- The tracker counts milliseconds, places from 0, percent and cents; the contract seconds, places
-- from 1, fractions and units of currency. An action it does not know passes as it is.
select
    line_number,
    eid as event_id,
    uid as user_id,
    iid as item_id,
    case action
        when 'show' then 'impression'
        when 'open' then 'click'
        when 'read' then 'view'
        when 'hide' then 'dismiss'
        when 'save' then 'bookmark'
        when 'basket' then 'cart_add'
        when 'buy' then 'purchase'
        when 'rate' then 'rating'
        else action
    end as event_type,
    try(make_timestamptz(ts_ms * 1000)) as occurred_at,
    sid as session_id,
    coalesce(cents / 100.0, stars) as value,
    dwell_ms / 1000.0 as dwell_seconds,
    scroll_pct / 100.0 as scroll_fraction,
    try(slot + 1) as position,
    rid as request_id,
    prob as propensity,
    client['device'] as device,
    client['os'] as os,
    geo['country'] as country,
    geo['region'] as region,
    ref as referrer,
from raw_records
