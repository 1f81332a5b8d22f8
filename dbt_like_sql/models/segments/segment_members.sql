select
    $as_of as as_of,
    user_id,
    'lifecycle' as segmentation,
    segment_id,
    segment_name,
from segments.user_segments
union all
select
    $as_of as as_of,
    user_id,
    segmentation,
    segment_id,
    segment_id as segment_name,
from segments.demographic_segments
union all
select
    $as_of as as_of,
    user_id,
    'behaviour' as segmentation,
    segment_id,
    segment_name,
from segments.behaviour_segments
union all
select
    $as_of as as_of,
    user_id,
    'hybrid' as segmentation,
    segment_id,
    segment_name,
from segments.hybrid_segments
