select
    line_number,
    uid as user_id,
    try(make_timestamptz(joined_ms * 1000)) as signed_up_at,
    geo['country'] as country,
    profile['age'] as age_band,
    profile['sex'] as gender,
    profile['plan'] as subscription,
    consent['personalization'] as consent_personalization,
    case
        when geo['region'] is not null then json_object('region', geo['region'])::varchar
    end as attributes,
from raw_records
