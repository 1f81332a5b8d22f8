with weights (event_type, weight) as (
    values
    ('impression', 0.0),
    ('view', 1.0),
    ('click', 1.0),
    ('scroll', 0.5),
    ('play', 1.0),
    ('like', 3.0),
    ('share', 3.0),
    ('comment', 3.0),
    ('bookmark', 3.0),
    ('follow', 2.0),
    ('download', 2.0),
    ('rating', 1.0),
    ('cart_add', 3.0),
    ('purchase', 5.0),
    ('subscribe', 3.0),
    ('dismiss', 0.0)
)

select
    event_type,
    weight,
from weights
