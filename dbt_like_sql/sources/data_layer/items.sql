-- What pushes say of an item, the latest word on each column; one row an item and file, so that the
-- ledger counts items, not mentions.
with pushes as (
    select
        line_number,
        coalesce(bare(timestamp), bare(event_timestamp), bare("gtm.start")) as told,
        coalesce(epoch_instant(told, 'any'), instant(told)) as told_at,
        unnest(coalesce(coalesce(ecommerce -> '$.items', items) -> '$[*]', [])) as item,
    from raw_records
),

mentions as (
    select
        line_number,
        row_number() over (order by told_at nulls first, line_number, item::varchar) as place,
        present(item ->> '$.item_id') as item_id,
        bare(item ->> '$.item_name') as title,
        bare(item ->> '$.item_category') as category,
        bare(item ->> '$.item_brand') as creator,
        bare(item ->> '$.price') as price,
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
