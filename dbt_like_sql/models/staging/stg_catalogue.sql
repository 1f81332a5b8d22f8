-- The version valid at the as-of; before an item's first version, that one. What may no longer be
-- offered, or not everywhere, acts from the moment it is known: there the latest version counts.
with versions as (
    select
        item_id,
        title,
        body,
        category,
        tags,
        creator,
        language,
        price,
        published_at,
        available_from,
        available_until,
        attributes,
        valid_from,
    from raw.item_history
    where valid_from <= $known_at
),

chosen as (
    select
        item_id,
        coalesce(max(valid_from) filter (where valid_from <= $as_of), min(valid_from))
            as valid_from,
        max(valid_from) as latest_from,
    from versions
    group by item_id
),

latest_versions as (
    select
        versions.item_id,
        versions.attributes,
        versions.available_from,
        versions.available_until,
    from versions
    inner join chosen
        on
            versions.item_id = chosen.item_id
            and versions.valid_from = chosen.latest_from
),

-- Only where the text may name a place: reading JSON takes longer than all the rest.
documents as (
    select
        item_id,
        try_cast(attributes as json) as document,
    from latest_versions
    where
        contains(attributes, 'offered_in')
        or contains(attributes, 'age_min')
        or contains(attributes, '\u')
),

told as (
    select
        item_id,
        document is null as is_unreadable,
        coalesce(json_type(document, '$.offered_in'), 'NULL') as offered_type,
        coalesce(json_type(document, '$.not_offered_in'), 'NULL') as not_offered_type,
        case json_type(document, '$.offered_in')
            when 'VARCHAR' then [json_extract(document, '$.offered_in')]
            else json_extract(document, '$.offered_in[*]')
        end as offered,
        case json_type(document, '$.not_offered_in')
            when 'VARCHAR' then [json_extract(document, '$.not_offered_in')]
            else json_extract(document, '$.not_offered_in[*]')
        end as not_offered,
        coalesce(json_type(document, '$.age_min'), 'NULL') <> 'NULL' as is_for_ages,
        -- A cast alone would round 17.4.
        case
            when
                regexp_matches(
                    json_extract_string(document, '$.age_min'), '^\s*[0-9]+([.]0+)?\s*$'
                )
                then try_cast(json_extract_string(document, '$.age_min') as integer)
        end as age_min,
    from documents
),

names as (
    select
        item_id,
        offered_type <> 'NULL' as is_restricted,
        -- The safe side: not offered, rather than offered where it may not be.
        is_unreadable
        or not_offered_type not in ('NULL', 'VARCHAR', 'ARRAY')
        or len(list_filter(not_offered, lambda name: json_type(name) <> 'VARCHAR')) > 0
        or (is_for_ages and age_min is null)
            as is_offered_nowhere,
        list_transform(
            list_filter(offered, lambda name: json_type(name) = 'VARCHAR'),
            lambda name: upper(trim(json_extract_string(name, '$')))
        ) as offered,
        list_transform(
            list_filter(not_offered, lambda name: json_type(name) = 'VARCHAR'),
            lambda name: upper(trim(json_extract_string(name, '$')))
        ) as not_offered,
        age_min,
    from told
),

restrictions as (
    select
        item_id,
        case
            when is_offered_nowhere then []::varchar[]
            when is_restricted then list_sort(list_distinct(offered))
        end as offered_in,
        case when len(not_offered) > 0 then list_sort(list_distinct(not_offered)) end
            as not_offered_in,
        age_min,
    from names
)

select
    versions.item_id,
    versions.title,
    versions.body,
    versions.category,
    versions.tags,
    versions.creator,
    versions.language,
    versions.price,
    versions.published_at,
    versions.available_from,
    versions.available_until,
    coalesce(
        latest_versions.available_until <= $known_at
        and latest_versions.available_until is distinct from versions.available_until,
        false
    )
    or coalesce(
        latest_versions.available_from > $known_at
        and latest_versions.available_from is distinct from versions.available_from,
        false
    ) as is_withdrawn,
    restrictions.offered_in,
    restrictions.not_offered_in,
    restrictions.age_min,
from versions
inner join chosen
    on
        versions.item_id = chosen.item_id
        and versions.valid_from = chosen.valid_from
inner join latest_versions on versions.item_id = latest_versions.item_id
left join restrictions on versions.item_id = restrictions.item_id
