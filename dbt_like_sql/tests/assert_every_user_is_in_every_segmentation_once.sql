-- Whoever counts users by segment counts each once, in every segmentation, the brand-new included.

with segmentations (segmentation) as (
    values
    ('lifecycle'), ('age_band'), ('region'), ('device'), ('subscription'), ('behaviour'), ('hybrid')
)

select
    users.user_id,
    segmentations.segmentation,
    count(members.user_id) as segment_count,
from features.user_features as users
cross join segmentations
left join segments.segment_members as members
    on
        users.user_id = members.user_id
        and segmentations.segmentation = members.segmentation
group by users.user_id, segmentations.segmentation
having count(members.user_id) <> 1
