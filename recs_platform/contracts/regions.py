"""Names of what says where items may be offered. Which items those are is decided in SQL, by the models named here."""

from recs_platform.contracts import columns as c

# Keys of items.attributes that are kept whatever the allow-list says: without them an item is offered to everybody.
AVAILABILITY_ATTRIBUTES = (c.OFFERED_IN, c.NOT_OFFERED_IN, c.AGE_MIN)

# Region of users of whom neither country nor region nor age is known; names of places are in capitals.
UNKNOWN_REGION = "unknown"
# Before a least age of an item that the user has, in the name of a region.
AGE_NAME = "AGE "

# Models: `user_id`, `availability_region` of every user, and `availability_region`, `item_id` of what may not be
# offered there.
USER_REGIONS = "staging.stg_user_regions"
REGION_EXCLUSIONS = "staging.stg_region_exclusions"
