with movies as (
    select
        line_number,
        movieid as item_id,
        title,
        string_split(nullif(genres, '(no genres listed)'), '|') as tags,
        try_cast(regexp_extract(title, '\((\d{4})\)\s*$', 1) as integer) as published_year,
    from raw_records
)

select
    line_number,
    item_id,
    title,
    tags[1] as category,
    tags,
    case when published_year is not null then json_object('year', published_year) end as attributes,
from movies
