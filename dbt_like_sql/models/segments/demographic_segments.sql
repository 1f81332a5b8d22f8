with users as (
    select
        user_id,
        region,
        top_device,
    from features.user_features
),

profiles as (
    select
        user_id,
        age_band,
        subscription,
    from staging.stg_users
),

segmentations (segmentation) as (
    values ('age_band'), ('region'), ('device'), ('subscription')
),

told as (
    select
        users.user_id,
        segmentations.segmentation,
        case segmentations.segmentation
            when 'age_band' then profiles.age_band
            when 'region' then users.region
            when 'device' then users.top_device
            when 'subscription' then profiles.subscription
        end as value,
    from users
    left join profiles on users.user_id = profiles.user_id
    cross join segmentations
)

select
    $as_of as as_of,
    user_id,
    segmentation,
    coalesce(nullif(trim(value), ''), 'unknown') as segment_id,
from told
