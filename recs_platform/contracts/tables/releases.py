"""Tables of releases and of the lists in them, as the published file has them. Lists before release are in `lists`."""

from dataclasses import replace

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables.lists import LISTS
from recs_platform.contracts.tables.table import AS_OF, ITEM, USER, Column, TableContract, count, instant, text

# What takes the place of rows of lists with drawn places is shown with a chance that cannot be told.
_UNTOLD = {
    c.PROPENSITY: "Probability with which this item was put at this rank; missing where it cannot be told",
    c.PROPENSITY_METHOD: "How the propensity was got: exact, simulated or unknown",
}
_RELEASE = text(c.RELEASE_ID, "The release", required=True)


def _shown(column: Column) -> Column:
    told = _UNTOLD.get(column.name, column.description)
    return replace(column, description=told, required=column.required and column.name != c.PROPENSITY)


_SHOWN = {column.name: _shown(column) for column in LISTS.columns}

CURRENT = replace(
    LISTS,
    name="recommendations.current",
    description="One row a user and recommended item of the release now in force",
    columns=(
        *(
            _SHOWN[name]
            for name in (
                c.USER_ID, c.RANK, c.ITEM_ID, c.SCORE, c.SOURCES, c.REASON, c.SEGMENT_ID, c.PROPENSITY, c.AS_OF,
                c.RANKER_VERSION,
            )
        ),
        _RELEASE,
        _SHOWN[c.PROPENSITY_METHOD],
        _SHOWN[c.IS_HOLDOUT],
    ),
    partition_by=(),
)  # fmt: skip

RELEASED_LISTS = replace(
    CURRENT,
    name="recommendations.lists",
    description="One row a kept release, user and recommended item",
    grain=(c.RELEASE_ID, c.USER_ID, c.RANK),
)

PERSONAL_LISTS = replace(
    RELEASED_LISTS,
    name="recommendations.personal_lists",
    description="One row a kept release, user with a list of their own and recommended item",
)

LIST_EXPIRY = TableContract(
    "recommendations.list_expiry",
    "One row a kept release and user: until when their lists are meant to be shown",
    (
        AS_OF,
        USER,
        instant(c.EXPIRES_AT, "When a newer list is due: sooner for who comes often", required=True),
        _RELEASE,
    ),
    grain=(c.RELEASE_ID, c.USER_ID),
    partition_by=(c.AS_OF,),
)

RELEASES = TableContract(
    "recommendations.releases",
    "One row a sealed release",
    (
        _RELEASE,
        AS_OF,
        instant(c.KNOWN_AT, "Only rows learned of by this instant were used", required=True),
        instant(c.SEALED_AT, "When it was sealed", required=True),
        text(c.RANKER_VERSION, "Version of the ranker", required=True),
        count(c.N_USERS, "Users with a list", unit="users"),
        count("n_rows", "Recommended items in all"),
        text("content_hash", "Hash of its rows", required=True),
        text("previous_release_id", "The greatest release of an earlier as_of when this one was sealed"),
        Column("is_current", "BOOLEAN", "Whether recommendations.current shows it", required=True),
        Column("is_pinned", "BOOLEAN", "Whether an operator pinned it", required=True),
        Column("is_stale", "BOOLEAN", "Whether an earlier as_of was sealed anew after it", required=True),
    ),
    grain=(c.RELEASE_ID,),
)

RELEASES_IN_FORCE = TableContract(
    "recommendations.in_force",
    "One row each time that another release came into force, by a build, a rollback, a pin or a withdrawal; of times"
    " before this was kept there is none",
    (
        instant(c.SINCE, "When it was first published as the release in force", required=True),
        _RELEASE,
    ),
    grain=(c.SINCE,),
)

LIST_CHANGES = TableContract(
    "marts.list_changes",
    "One row a kept release, user and item that entered or left the user's list or moved in it since the release"
    " before; users of both releases only",
    (
        _RELEASE,
        text(c.PREVIOUS_RELEASE_ID, "The release before it", required=True),
        USER,
        ITEM,
        text(c.CHANGE, "entered, left or moved", required=True),
        Column(c.RANK_BEFORE, "INTEGER", "Place in the list before, from 1; none where it entered", unit="place"),
        Column(c.RANK, "INTEGER", "Place in the list, from 1; none where it left", unit="place"),
    ),
    grain=(c.RELEASE_ID, c.USER_ID, c.ITEM_ID),
)
