-- Users of the profiles add up to the users there are.

with profiles as (
    select coalesce(sum(user_count), 0) as user_count,
    from segments.segment_profiles
),

users as (
    select count(*) as user_count,
    from features.user_lifecycle
)

select
    profiles.user_count as profile_user_count,
    users.user_count,
from profiles
cross join users
where profiles.user_count <> users.user_count
