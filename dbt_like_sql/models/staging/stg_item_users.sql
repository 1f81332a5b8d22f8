-- Apart from stg_user_tastes, which windows ask for some users only: this is of all of them.
with item_users as (
    select
        item_id,
        count(*) as user_count,
    from staging.stg_user_items
    where interaction_count > 0
    group by item_id
)

select
    item_id,
    user_count,
    cast(percent_rank() over (order by user_count) as decimal(18, 9)) as popularity_rank,
from item_users
