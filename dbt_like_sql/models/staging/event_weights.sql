with weights (event_type, weight) as (
    values
    ('impression', $impression_weight),
    ('view', $view_weight),
    ('click', $click_weight),
    ('scroll', $scroll_weight),
    ('play', $play_weight),
    ('like', $like_weight),
    ('share', $share_weight),
    ('comment', $comment_weight),
    ('bookmark', $bookmark_weight),
    ('follow', $follow_weight),
    ('download', $download_weight),
    ('rating', $rating_weight),
    ('cart_add', $cart_add_weight),
    ('purchase', $purchase_weight),
    ('subscribe', $subscribe_weight),
    ('dismiss', $dismiss_weight)
)

select
    event_type,
    weight,
from weights
