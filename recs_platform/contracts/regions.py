"""Names of what says where items may be offered. Which items those are is decided in SQL, by the models named here."""

from recs_platform.contracts import columns as c

# Keys of items.attributes that are kept whatever the allow-list says: without them an item is offered everywhere.
AVAILABILITY_ATTRIBUTES = (c.OFFERED_IN, c.NOT_OFFERED_IN)

# Region of users of whom neither country nor region is known; the names of all other regions are in capitals.
UNKNOWN_REGION = "unknown"

# Models: `user_id`, `availability_region` of every user, and `availability_region`, `item_id` of what may not be
# offered there.
USER_REGIONS = "staging.stg_user_regions"
REGION_EXCLUSIONS = "staging.stg_region_exclusions"
