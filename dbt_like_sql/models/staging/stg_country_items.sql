with users as (
    select
        user_id,
        country,
    from staging.stg_users
    where country is not null
),

pairs as (
    select
        user_id,
        item_id,
        weight_7d,
    from staging.stg_user_items
),

country_items as (
    select
        users.country,
        pairs.item_id,
        sum(pairs.weight_7d) as weight,
    from pairs
    inner join users on pairs.user_id = users.user_id
    group by users.country, pairs.item_id
)

select
    country,
    item_id,
    weight / nullif(sum(weight) over (partition by country), 0) as popularity_share,
from country_items
