-- What pushes say of an item, the latest word on each column; one row an item and file, so that the
-- ledger counts items, not mentions.
with pushes as (
    select
        line_number,
        coalesce(timestamp, event_timestamp, "gtm.start") as told,
        try_cast(told as decimal(24, 6)) as number,
        number * case when number < 1e11 then 1000000 when number < 1e14 then 1000 else 1 end
            as number_us,
        coalesce(try_cast(number_us as bigint), epoch_us(try_cast(told as timestamptz))) as told_us,
        unnest(coalesce(coalesce(ecommerce -> '$.items', items) -> '$[*]', [])) as item,
    from raw_records
),

mentions as (
    select
        line_number,
        row_number() over (order by told_us nulls first, line_number, item::varchar) as place,
        item ->> '$.item_id' as item_id,
        item ->> '$.item_name' as title,
        item ->> '$.item_category' as category,
        item ->> '$.item_brand' as creator,
        item ->> '$.price' as price,
    from pushes
)

select
    max(line_number) as line_number,
    item_id,
    last(title order by place) filter (where title is not null) as title,
    last(category order by place) filter (where category is not null) as category,
    last(creator order by place) filter (where creator is not null) as creator,
    last(price order by place) filter (where price is not null) as price,
from mentions
where item_id is not null and coalesce(title, category, creator, price) is not null
group by item_id
