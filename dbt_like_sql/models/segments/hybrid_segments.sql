-- Below this share of all users, or this many, a combination tells of single people and of chance.
with limits (smallest_share, smallest_count) as (
    values (0.01, 20)
),

behaviours as (
    select
        user_id,
        segment_id,
        segment_name,
    from segments.behaviour_segments
),

ages as (
    select
        user_id,
        segment_id as age_band,
    from segments.demographic_segments
    where segmentation = 'age_band'
),

combined as (
    select
        behaviours.user_id,
        behaviours.segment_id,
        behaviours.segment_name,
        ages.age_band,
        count(*) over (partition by behaviours.segment_id, ages.age_band) as combination_count,
        count(*) over () as user_count,
    from behaviours
    inner join ages on behaviours.user_id = ages.user_id
),

named as (
    select
        combined.user_id,
        combined.segment_id,
        combined.segment_name,
        case
            when
                combined.combination_count < limits.smallest_count
                or combined.combination_count < limits.smallest_share * combined.user_count
                then 'other'
            else combined.age_band
        end as age_band,
    from combined
    cross join limits
)

select
    $as_of as as_of,
    user_id,
    segment_id || '|' || age_band as segment_id,
    segment_name || case when age_band = 'other' then ', other ages' else ', age ' || age_band end
        as segment_name,
from named
