"""Tables on the way from candidates to released lists."""

from dataclasses import replace
from enum import StrEnum

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables.table import AS_OF, ITEM, USER, Column, TableContract, count, instant, number, text

INPUTS = TableContract(
    "events.inputs",
    "One row a file whose rows count before the as_of, and one a user or file of whom something is left out",
    (
        AS_OF,
        text(c.CONTRACT_TABLE, "Table that the rows are in, or why they are left out", required=True),
        text(c.FILE_HASH, "The file, or what is left out", required=True),
        count(c.ROW_COUNT, "Rows of it that count, or are left out"),
    ),
    grain=(c.CONTRACT_TABLE, c.FILE_HASH),
    partition_by=(c.AS_OF,),
)


class OfferedUnit(StrEnum):
    """What is counted of the offers of sources."""

    ROW = "row"
    USER = "user"
    ITEM = "item"


# Retrieval adds a rank and a score share for each of its sources.
CANDIDATES = TableContract(
    "retrieval.candidates",
    "One row a user and candidate item, with the sources that offered it; of the candidates that were ranked, the best"
    " of each user",
    (
        AS_OF,
        USER,
        ITEM,
        Column(c.SOURCES, "VARCHAR[]", "Sources that offered the item, in registry order", required=True),
        Column(c.SOURCE_COUNT, "INTEGER", "How many sources offered it", required=True, unit="sources"),
        Column(
            c.FUSED_SCORE,
            "FLOAT",
            "Weighted sum over the sources of score over the root mean square of the user's scores in it",
            required=True,
        ),
    ),
    grain=(c.USER_ID, c.ITEM_ID),
    partition_by=(c.AS_OF,),
)

OFFER_COUNTS = TableContract(
    "retrieval.offer_counts",
    "One row a set of sources: how many of all candidates, of users and of items were offered by exactly these sources",
    (
        AS_OF,
        text(c.OFFERED_UNIT, "What is counted: row (a user and item), user, item", required=True),
        Column(c.SOURCES, "VARCHAR[]", "The sources, in registry order", required=True),
        count(c.OFFER_COUNT, "Rows, users or items that these sources offered, and no other", required=True),
    ),
    grain=(c.OFFERED_UNIT, c.SOURCES),
    partition_by=(c.AS_OF,),
)

ITEM_NEIGHBOURS = TableContract(
    "retrieval.item_neighbours",
    "One row an item and one of the items most often consumed by the same users",
    (
        AS_OF,
        ITEM,
        text(c.NEIGHBOUR_ID, "The neighbouring item", required=True),
        Column(c.SCORE, "FLOAT", "Shrunken cosine similarity", required=True),
        Column(c.RANK, "INTEGER", "Place among the item's neighbours, from 1", required=True),
    ),
    grain=(c.ITEM_ID, c.NEIGHBOUR_ID),
    partition_by=(c.AS_OF,),
)

CHAMPION = TableContract(
    "ranking.champion",
    "One row: the ranker that scores the as_of, and why it was chosen",
    (
        AS_OF,
        text(c.RANKER_VERSION, "Version of the ranker", required=True),
        instant(c.LABELS_END_AT, "End of its last label window", required=True),
        instant(c.TRAINED_AS_OF, "The as_of it was trained for", required=True),
        count(c.CONSIDERED_COUNT, "Sealed rankers it was chosen from", unit="rankers"),
        text(c.REASON, "Why it was chosen", required=True),
    ),
    grain=(c.RANKER_VERSION,),
    partition_by=(c.AS_OF,),
)

CONTENDERS = TableContract(
    "ranking.contenders",
    "One row a group of users and a way to order their candidates: how good its lists were at past cutoffs",
    (
        AS_OF,
        text(c.HISTORY_GROUP, "Users by the number of items they have consumed; all = everybody", required=True),
        text(c.CONTENDER, "The ranker, the merge, a source alone, or a blend of the ranker with one", required=True),
        number(c.NDCG, "Mean NDCG of its lists over users and cutoffs, after re-ranking"),
        number(c.MEAN_RATIO, "Mean over the cutoffs of its NDCG over the best simple list's"),
        number(c.WORST_RATIO, "The least of these ratios"),
        Column(c.N_CUTOFFS, "INTEGER", "Cutoffs tried", required=True, unit="cutoffs"),
        count(c.N_USERS, "Users and cutoffs averaged over", unit="user windows"),
        Column(c.IS_CHOSEN, "BOOLEAN", "Whether it orders the lists of the group", required=True),
        text(c.REASON, "Why it was chosen, or was not", required=True),
    ),
    grain=(c.HISTORY_GROUP, c.CONTENDER),
    partition_by=(c.AS_OF,),
)

RANKED = TableContract(
    "ranking.ranked",
    "One row a user and candidate, scored by the champion; the best of each user only",
    (
        AS_OF,
        USER,
        ITEM,
        number(c.SCORE, "The ranker's score; comparable within a user only", required=True),
        Column(c.RANK, "INTEGER", "Place in the user's list before re-ranking, from 1", required=True),
        Column(c.SOURCES, "VARCHAR[]", "Sources that offered the item", required=True),
        text(c.RANKER_VERSION, "Version of the ranker", required=True),
    ),
    grain=(c.USER_ID, c.ITEM_ID),
    partition_by=(c.AS_OF,),
)

LISTS = TableContract(
    "recommendations.lists",
    "One row a user and recommended item, before release",
    (
        AS_OF,
        USER,
        Column(c.RANK, "INTEGER", "Place in the list, from 1", required=True),
        ITEM,
        number(c.SCORE, "The ranker's score; falls with rank except where a rule moved an item", required=True),
        Column(c.SOURCES, "VARCHAR[]", "Candidate sources that offered the item", required=True),
        text(c.REASON, "Why this item, naming something true", required=True),
        text(c.SEGMENT_ID, "The user's segment"),
        number(
            c.PROPENSITY, "Probability with which this item was put at this rank", "probability (0, 1]", required=True
        ),
        text(c.PROPENSITY_METHOD, "How the propensity was got: exact or simulated", required=True),
        Column(c.IS_HOLDOUT, "BOOLEAN", "Whether the user is in the hold-out: popular items only", required=True),
        text(c.RANKER_VERSION, "Version of the ranker", required=True),
    ),
    grain=(c.USER_ID, c.RANK),
    partition_by=(c.AS_OF,),
)

LISTS_HISTORY = replace(
    LISTS,
    name="recommendations.lists_history",
    description="One row a user and recommended item of each as_of before this one",
    history_of=LISTS.name,
)

CURRENT = replace(
    LISTS,
    name="recommendations.current",
    description="One row a user and recommended item of the release now in force",
    columns=(
        *(
            column
            for name in (
                c.USER_ID, c.RANK, c.ITEM_ID, c.SCORE, c.SOURCES, c.REASON, c.SEGMENT_ID, c.PROPENSITY, c.AS_OF,
                c.RANKER_VERSION,
            )
            for column in LISTS.columns
            if column.name == name
        ),
        text(c.RELEASE_ID, "The release", required=True),
        *(column for column in LISTS.columns if column.name in {c.PROPENSITY_METHOD, c.IS_HOLDOUT}),
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

SHARED_LISTS = TableContract(
    "recommendations.shared_lists",
    "One row a list that users share who were not active lately, and item of it",
    (
        AS_OF,
        text(c.LIST_ID, "The list: a region, or everywhere, and a device", required=True),
        Column(c.RANK, "INTEGER", "Place in the list, from 1", required=True),
        ITEM,
        number(c.SCORE, "Falls with rank; no ranker's score", required=True),
        Column(c.SOURCES, "VARCHAR[]", "What the item comes from", required=True),
        text(c.REASON, "Why this item, naming something true", required=True),
        number(
            c.PROPENSITY, "Probability with which this item was put at this rank", "probability (0, 1]", required=True
        ),
        text(c.PROPENSITY_METHOD, "How the propensity was got: exact or simulated", required=True),
        Column(c.IS_HOLDOUT, "BOOLEAN", "False: shared lists are the same for everybody", required=True),
        text(c.RANKER_VERSION, "Version of the ranker of the release", required=True),
    ),
    grain=(c.LIST_ID, c.RANK),
    partition_by=(c.AS_OF,),
)

LIST_REFERENCES = TableContract(
    "recommendations.list_references",
    "One row a user who is shown a shared list: its first items, less the hidden ones",
    (
        AS_OF,
        USER,
        text(c.LIST_ID, "The shared list", required=True),
        count(c.LIST_LENGTH, "Items the user is shown of it", unit="items"),
        Column(c.HIDDEN_ITEMS, "VARCHAR[]", "Items of the list that the user may not be shown", required=True),
        text(c.SEGMENT_ID, "The user's segment"),
    ),
    grain=(c.USER_ID,),
    partition_by=(c.AS_OF,),
)

LIST_EXPIRY = TableContract(
    "recommendations.list_expiry",
    "One row a kept release and user: until when their lists are meant to be shown",
    (
        AS_OF,
        USER,
        instant(c.EXPIRES_AT, "When a newer list is due: sooner for who comes often", required=True),
        text(c.RELEASE_ID, "The release", required=True),
    ),
    grain=(c.RELEASE_ID, c.USER_ID),
    partition_by=(c.AS_OF,),
)

SHORT_LISTS = TableContract(
    "recommendations.short_lists",
    "One row a user whose list is shorter than k, and why",
    (
        AS_OF,
        USER,
        count(c.LIST_LENGTH, "Items in the list", unit="items"),
        count(c.ELIGIBLE_COUNT, "Items that were eligible for the user", unit="items"),
        text(c.REASON, "Why the list is short", required=True),
    ),
    grain=(c.USER_ID,),
    partition_by=(c.AS_OF,),
)

SURFACE_LISTS = TableContract(
    "recommendations.surface_lists",
    "One row a surface, user and recommended item; of the surfaces of the settings, the others are in lists",
    (
        AS_OF,
        text(c.SURFACE, "The surface", required=True),
        USER,
        Column(c.RANK, "INTEGER", "Place in the list, from 1", required=True),
        ITEM,
        number(c.SCORE, "The ranker's score, or a number below for items that fill the list", required=True),
        Column(c.SOURCES, "VARCHAR[]", "Sources that offered the item", required=True),
        text(c.REASON, "Why it is recommended", required=True),
    ),
    grain=(c.SURFACE, c.USER_ID, c.RANK),
    partition_by=(c.AS_OF,),
)

SCORE_PARTS = TableContract(
    "recommendations.score_parts",
    "One row a user and listed item that the ranker scored, and what its score is made of; none unless"
    " lists.contributions_kept asks for it",
    (
        AS_OF,
        USER,
        Column(c.RANK, "INTEGER", "Place in the list, from 1", required=True),
        ITEM,
        number(c.SCORE, "The score that ordered the user's candidates", required=True),
        Column(
            c.PARTS, "VARCHAR[]", "Parts of the score, the largest first: features, or orders of a blend", required=True
        ),
        Column(c.CONTRIBUTIONS, "DOUBLE[]", "What each of them adds to the score", required=True),
        number(c.REST, "What all the others add; contributions and rest sum to the score", required=True),
    ),
    grain=(c.USER_ID, c.ITEM_ID),
    partition_by=(c.AS_OF,),
)

RULE_CONFLICTS = TableContract(
    "recommendations.rule_conflicts",
    "One row a surface, rule, subject and reason: what rules of the settings ask for and lists do not hold",
    (
        AS_OF,
        text(c.SURFACE, "The surface; `default` where it is none of `surfaces`", required=True),
        text(c.RULE, "The rule", required=True),
        text(c.SUBJECT, "Item, category or creator, or the new items", required=True),
        text(c.REASON, "Why it is not met", required=True),
        count(c.USER_COUNT, "Users in whose list it is not met; 0 of names that the catalogue lacks", unit="users"),
    ),
    grain=(c.SURFACE, c.RULE, c.SUBJECT, c.REASON),
    partition_by=(c.AS_OF,),
)

RELEASES = TableContract(
    "recommendations.releases",
    "One row a sealed release",
    (
        text(c.RELEASE_ID, "The release", required=True),
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

LIST_CHANGES = TableContract(
    "marts.list_changes",
    "One row a kept release, user and item that entered or left the user's list or moved in it since the release"
    " before; users of both releases only",
    (
        text(c.RELEASE_ID, "The release", required=True),
        text(c.PREVIOUS_RELEASE_ID, "The release before it", required=True),
        USER,
        ITEM,
        text(c.CHANGE, "entered, left or moved", required=True),
        Column(c.RANK_BEFORE, "INTEGER", "Place in the list before, from 1; none where it entered", unit="place"),
        Column(c.RANK, "INTEGER", "Place in the list, from 1; none where it left", unit="place"),
    ),
    grain=(c.RELEASE_ID, c.USER_ID, c.ITEM_ID),
)
