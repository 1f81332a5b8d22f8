-- Shares of a total add up to one, or to nothing where there is no total.

with totals as (
    select
        sum(cast(interaction_share as decimal(18, 9))) as interaction_share,
        sum(cast(popularity_7d_share as decimal(18, 9))) as popularity_7d_share,
        max(interaction_count) as interaction_count,
        max(popularity_7d) as popularity_7d,
    from features.item_features
)

select
    interaction_share,
    popularity_7d_share,
from totals
where
    (interaction_count > 0 and abs(interaction_share - 1) > 0.001)
    or (popularity_7d > 0 and abs(popularity_7d_share - 1) > 0.001)
