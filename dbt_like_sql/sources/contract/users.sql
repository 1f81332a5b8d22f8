select
    line_number,
    user_id,
    signed_up_at,
    country,
    age_band,
    gender,
    subscription,
    consent_personalization,
    attributes,
from raw_records
