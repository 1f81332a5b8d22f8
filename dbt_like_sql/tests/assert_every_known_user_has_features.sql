-- Everyone known as of the instant gets a list, so everyone needs a row, brand-new users too.

select known.user_id,
from staging.stg_users as known
left join features.user_features as users on known.user_id = users.user_id
where users.user_id is null
