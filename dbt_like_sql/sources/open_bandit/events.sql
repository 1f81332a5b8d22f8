-- One impression a record, and a click where it was clicked. The path says which policy logged it
-- (random/men/men.csv), the file's name which campaign; item numbers start anew in each campaign.
with logged as (
    select
        line_number,
        regexp_extract(source_file, '([^/.]+)\.csv[^/]*$', 1) as campaign,
        nullif(regexp_extract(source_file, '([^/]+/[^/]+)/[^/]+$', 1), '') as folders,
        -- The header is line 1, and the log counts its rows from 0.
        'open_bandit/' || folders || '/' || (line_number - 2) as request_id,
        case
            when user_feature_0 || user_feature_1 || user_feature_2 || user_feature_3 is not null
                then md5(concat_ws(
                    '|', user_feature_0, user_feature_1, user_feature_2, user_feature_3
                ))
        end as user_id,
        campaign || '-' || item_id as item_id,
        click,
        timestamp as occurred_at,
        position,
        propensity_score as propensity,
    from raw_records
)

select
    line_number,
    request_id as event_id,
    user_id,
    item_id,
    'impression' as event_type,
    occurred_at,
    position,
    request_id,
    propensity,
from logged
union all
select
    line_number,
    request_id || '/click' as event_id,
    user_id,
    item_id,
    -- Neither 0 nor 1 goes on as it is, to be refused by name.
    case when try_cast(click as double) = 1 then 'click' else click end as event_type,
    occurred_at,
    position,
    request_id,
    propensity,
from logged
where try_cast(click as double) is distinct from 0
