-- The ranker reads one row a candidate: none may be lost on the way.

select
    candidates.user_id,
    candidates.item_id,
from retrieval.candidates as candidates
left join features.candidate_features as pairs
    on
        candidates.user_id = pairs.user_id
        and candidates.item_id = pairs.item_id
where pairs.user_id is null
