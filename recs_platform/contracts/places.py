"""Names of what says where items may be offered. Who may be offered what is decided in SQL."""

from recs_platform.contracts import columns as c

# Keys of items.attributes that are kept whatever the allow-list says: without them an item is offered everywhere.
PLACE_ATTRIBUTES = (c.OFFERED_IN, c.NOT_OFFERED_IN)

# Place of users of whom neither country nor region is known; the names of all other places are in capitals.
UNKNOWN_PLACE = "unknown"

# Models: `user_id`, `place` of every user, and `place`, `item_id` of what may not be offered there.
USER_PLACES = "staging.stg_user_places"
BARRED_ITEMS = "staging.stg_barred_items"
