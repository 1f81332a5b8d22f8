-- A call that lists products gives one event a product. A page or screen counts when it names an
-- item. Other names of a track call pass as they are: the contract refuses those it does not know.
with calls as (
    select
        line_number,
        coalesce(present(messageid), md5(concat_ws(
            chr(31), type, userid, anonymousid, event, name, timestamp, originaltimestamp,
            properties::varchar
        ))) as call_id,
        coalesce(person(userid), anonymousid) as user_id,
        call_instant(originaltimestamp, timestamp, sentat, receivedat) as occurred_at,
        case type when 'track' then replace(lower(trim(event)), ' ', '_') else 'view' end as name,
        properties,
        coalesce(properties -> '$.products[*]', []) as products,
        context,
        lower(context ->> '$.device.type') as device_type,
        lower(context ->> '$.os.name') as os_name,
        lower(context ->> '$.userAgent') as agent,
    from raw_records
    where
        (
            type = 'track'
            -- Its consent is all it says.
            and coalesce(event, '') not in (
                'Segment Consent Preference', 'Segment Consent Preference Updated'
            )
        )
        or (
            type in ('page', 'screen')
            and coalesce(
                present(properties ->> '$.products[0].product_id'),
                present(properties ->> '$.product_id'),
                present(properties ->> '$.item_id'),
                present(properties ->> '$.content_id')
            ) is not null
        )
),

mentions as (
    select
        *,
        unnest(range(1, greatest(len(products), 1) + 1)) as place,
        coalesce(products[place], properties) as details,
        case name
            when 'product_list_viewed' then 'impression'
            when 'product_list_filtered' then 'impression'
            when 'product_clicked' then 'click'
            when 'product_viewed' then 'view'
            when 'product_added' then 'cart_add'
            when 'wishlist_product_added_to_cart' then 'cart_add'
            when 'order_completed' then 'purchase'
            when 'product_added_to_wishlist' then 'bookmark'
            when 'product_shared' then 'share'
            when 'product_reviewed' then 'rating'
            when 'video_content_started' then 'play'
            when 'video_playback_started' then 'play'
            else name
        end as event_type,
        len(products) > 0 as is_listed,
        bare(details ->> '$.price') as price,
        coalesce(bare(details ->> '$.quantity'), '1') as quantity,
        -- What is no number goes on as it is, to be refused.
        coalesce(
            times(price, quantity)::varchar,
            price || ' * ' || quantity,
            details ->> '$.value'
        ) as paid,
    from calls
)

select
    line_number,
    case when is_listed then call_id || '-' || place else call_id end as event_id,
    user_id,
    coalesce(
        present(details ->> '$.product_id'),
        present(details ->> '$.item_id'),
        present(details ->> '$.content_id'),
        present(details ->> '$.asset_id'),
        present(details ->> '$.sku')
    ) as item_id,
    event_type,
    occurred_at,
    coalesce(present(properties ->> '$.session_id'), context ->> '$.sessionId') as session_id,
    case event_type
        when 'purchase' then paid
        when 'rating' then coalesce(bare(details ->> '$.rating'), details ->> '$.value')
    end as value, -- noqa: RF04
    properties ->> '$.dwell_seconds' as dwell_seconds,
    properties ->> '$.scroll_fraction' as scroll_fraction,
    -- Elsewhere the spec's position is another thing: of a video it is the second played.
    case
        when event_type = 'impression' and is_listed
            then coalesce(bare(details ->> '$.position'), place::varchar)
        when event_type in ('impression', 'click') then details ->> '$.position'
    end as position,
    coalesce(
        present(properties ->> '$.request_id'),
        case when event_type = 'impression' then call_id end
    ) as request_id,
    properties ->> '$.propensity' as propensity,
    case
        when device_type in ('ios', 'android') then 'mobile'
        when device_type is not null then device_type
        when agent like '%ipad%' or agent like '%tablet%' then 'tablet'
        when agent like '%android%' and agent not like '%mobile%' then 'tablet'
        when agent like '%mobi%' or agent like '%iphone%' then 'mobile'
        when agent is not null then 'desktop'
    end as device,
    case
        when os_name in ('iphone os', 'ipados') then 'ios'
        when os_name like 'mac os%' then 'macos'
        when os_name is not null then os_name
        when agent like '%windows%' then 'windows'
        when agent like '%iphone%' or agent like '%ipad%' then 'ios'
        when agent like '%android%' then 'android'
        when agent like '%mac os%' then 'macos'
        when agent like '%linux%' then 'linux'
    end as os,
    context ->> '$.location.country' as country,
    context ->> '$.location.region' as region,
    context ->> '$.page.referrer' as referrer,
from mentions
