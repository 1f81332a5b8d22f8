-- Each record repeats what is known of its user: the latest one of a file speaks.
select
    line_number,
    user_id,
    case gender
        when 0 then 'male'
        when 1 then 'female'
        else gender::varchar
    end as gender,
    age || '-' || (age + 9) as age_band,
    case
        when is_subscriber then 'subscriber'
        when not is_subscriber then 'none'
    end as subscription,
    json_object('is_sso_user', is_sso_user, 'postcode_type', postcode) as attributes,
from raw_records
where user_id is not null
qualify row_number() over (
    partition by user_id
    order by impression_time desc nulls last, line_number desc
) = 1
