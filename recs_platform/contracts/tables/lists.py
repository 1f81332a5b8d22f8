"""Tables of lists before release: of users, shared ones, of surfaces, and what they lack. Releases: `releases`."""

from dataclasses import replace

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables.table import AS_OF, ITEM, USER, Column, TableContract, count, number, text

ORDERING_SCORE = (
    "What orders the user's items, comparable within a user only: the ranker's score, or 1 / (60 + rank) in another "
    "order that ranking.contenders chose; for an item that fills the list a number below all others, no score"
)

LISTS = TableContract(
    "recommendations.lists",
    "One row a user and recommended item, before release",
    (
        AS_OF,
        USER,
        Column(c.RANK, "INTEGER", "Place in the list, from 1", required=True),
        ITEM,
        number(c.SCORE, f"{ORDERING_SCORE}. It falls with rank except where a rule moved an item", required=True),
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
        number(c.SCORE, ORDERING_SCORE, required=True),
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
