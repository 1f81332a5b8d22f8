-- Whose id turned out to be another's is counted under that one's list.
with opted_out as (
    select user_id,
    from staging.stg_opted_out
),

identities as (
    select anonymous_id,
    from staging.stg_identities
    where
        knowledge = 'as_of'
        and starts_at < $as_of
        and ends_at >= $as_of
)

select
    lists.as_of as list_as_of,
    lists.user_id,
    min(lists.segment_id) as segment_id,
    coalesce(bool_or(lists.is_holdout), false) as is_holdout,
from recommendations.lists_history as lists
anti join opted_out on lists.user_id = opted_out.user_id
anti join identities on lists.user_id = identities.anonymous_id
where lists.as_of >= $as_of - interval 56 day
group by lists.as_of, lists.user_id
