with interactions as (
    select
        *,
        lower(useragent) as agent,
    from raw_records
)

select
    line_number,
    personid as user_id,
    contentid as item_id,
    case eventtype
        when 'VIEW' then 'view'
        when 'LIKE' then 'like'
        when 'BOOKMARK' then 'bookmark'
        when 'FOLLOW' then 'follow'
        when 'COMMENT CREATED' then 'comment'
        else eventtype
    end as event_type,
    coalesce(epoch_instant(timestamp, 's')::varchar, timestamp) as occurred_at,
    sessionid as session_id,
    case
        when agent like '%windows phone%' then 'mobile'
        when agent like '%ipad%' or agent like '%tablet%' then 'tablet'
        when agent like '%android%' and agent not like '%mobile%' then 'tablet'
        when agent like '%mobi%' or agent like '%iphone%' or agent like '%android%' then 'mobile'
        when agent is not null then 'desktop'
    end as device,
    case
        when agent like '%windows%' then 'windows'
        when agent like '%iphone%' or agent like '%ipad%' or agent like 'ios %' then 'ios'
        when agent like '%android%' then 'android'
        when agent like '%cros %' then 'chromeos'
        when agent like '%mac os%' or agent like '%macintosh%' then 'macos'
        when agent like '%linux%' then 'linux'
    end as os,
    usercountry as country,
    userregion as region,
from interactions
