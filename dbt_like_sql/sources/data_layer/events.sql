-- A push that lists items gives one event an item. Pushes of the tag manager itself, of logins and
-- of consent are no events on an item, nor is a page view that names none.
with pushes as (
    select
        line_number,
        lower(trim(event)) as name,
        present(event_id) as event_id,
        present(ecommerce ->> '$.transaction_id') as transaction_id,
        coalesce(person(user_id), client_id) as user_id,
        coalesce(bare(timestamp), bare(event_timestamp), bare("gtm.start")) as told,
        -- A number counts seconds, milliseconds or microseconds, by its size.
        coalesce(epoch_instant(told, 'any')::varchar, told) as occurred_at,
        coalesce(
            present(session_id), person(client_id) || '.' || present(ga_session_id), ga_session_id
        ) as session_id,
        coalesce(ecommerce -> '$.items', items) as listed,
        coalesce(listed -> '$[*]', []) as items,
        -- Some sites count the places of a list from 0.
        case when list_contains(listed ->> '$[*].index', '0') then 1 else 0 end as shift,
        coalesce(present(item_id), present(content_id)) as item_id,
        percent_scrolled,
        rating,
        value, -- noqa: RF04
        device,
        os,
        country,
        region,
        page_referrer,
    from raw_records
    where
        event is not null
        and not starts_with(event, 'gtm.')
        and lower(trim(event)) not in ('login', 'sign_up', 'consent_update')
        and (
            lower(trim(event)) <> 'page_view'
            or coalesce(present(item_id), present(content_id)) is not null
        )
),

mentions as (
    select
        *,
        unnest(range(1, greatest(len(items), 1) + 1)) as place,
        items[place] as item,
        len(items) > 0 as is_listed,
        case name
            when 'view_item_list' then 'impression'
            when 'select_item' then 'click'
            when 'select_content' then 'click'
            when 'view_item' then 'view'
            when 'page_view' then 'view'
            when 'add_to_cart' then 'cart_add'
            when 'add_to_wishlist' then 'bookmark'
            when 'video_start' then 'play'
            when 'file_download' then 'download'
            else name
        end as event_type,
        case when event_type = 'purchase' then 'purchase-' || transaction_id end as order_id,
        coalesce(order_id, event_id, md5(concat_ws(
            chr(31), name, user_id, told, session_id, item_id, percent_scrolled, rating, value,
            listed::varchar
        ))) as push_id,
        bare(item ->> '$.price') as price,
        coalesce(bare(item ->> '$.quantity'), '1') as quantity,
        -- What is no number goes on as it is, to be refused.
        coalesce(
            times(price, quantity)::varchar,
            price || ' * ' || quantity
        ) as paid,
        -- Only whole numbers are counted on.
        coalesce(
            (
                try_cast(regexp_extract(item ->> '$.index', '^[0-9]{1,9}$') as integer) + shift
            )::varchar,
            item ->> '$.index'
        ) as index,
    from pushes
)

select
    line_number,
    case when is_listed then push_id || '-' || place else push_id end as event_id,
    user_id,
    case when is_listed then item ->> '$.item_id' else item_id end as item_id,
    event_type,
    occurred_at,
    session_id,
    case
        when event_type = 'purchase' and is_listed then paid
        when event_type = 'purchase' then value
        when event_type = 'rating' then coalesce(bare(rating), value)
    end as value, -- noqa: RF04
    coalesce((try_cast(percent_scrolled as double) / 100)::varchar, percent_scrolled)
        as scroll_fraction,
    case
        when event_type = 'impression' and is_listed then coalesce(index, place::varchar)
        when event_type = 'click' then index
    end as position,
    case when event_type = 'impression' then push_id end as request_id,
    lower(device) as device,
    lower(os) as os,
    country,
    region,
    page_referrer as referrer,
from mentions
