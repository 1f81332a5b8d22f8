"""Tables of candidates: who offered them, and which items are neighbours."""

from enum import StrEnum

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables.table import AS_OF, ITEM, USER, Column, TableContract, count, text


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
        Column(
            c.LAST_ITEM_SIMILARITY,
            "FLOAT",
            "Cosine of the ALS vectors of the item and of the item the user liked last; missing without either",
            unit="cosine -1 to 1",
        ),
        Column(
            c.LATEST_ITEMS_SIMILARITY,
            "FLOAT",
            "The same to the mean, each at length 1, of the five items the user liked last",
            unit="cosine -1 to 1",
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
