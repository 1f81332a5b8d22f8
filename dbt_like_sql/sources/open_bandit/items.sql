-- The features are hashes whose meaning is not published: three serve as tags, none as a category.
with contexts as (
    select
        *,
        nullif(regexp_extract(source_file, '/(all|men|women)/[^/]+$', 1), '') as campaign,
    from raw_records
)

select
    line_number,
    campaign || '-' || item_id as item_id,
    [item_feature_1, item_feature_2, item_feature_3] as tags,
    json_object('feature_0', try_cast(item_feature_0 as double)) as attributes,
from contexts
