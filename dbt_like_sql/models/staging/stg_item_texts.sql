-- What is known of later items is left out: their words would weigh those of earlier ones.
with known as (
    select item_id,
    from staging.stg_items
)

select
    catalogue.item_id,
    catalogue.title,
    left(catalogue.body, 2000) as body,
    catalogue.category,
    catalogue.tags,
    catalogue.creator,
from staging.stg_catalogue as catalogue
inner join known on catalogue.item_id = known.item_id
