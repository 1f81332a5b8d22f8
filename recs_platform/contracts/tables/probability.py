"""Tables of the lists of test windows with the probability each item was given, and of how true it turned out."""

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables.table import AS_OF, ITEM, USER, Column, TableContract, count, instant, number, text

TESTED_LISTS = TableContract(
    "reports.tested_lists",
    "One row an item of a user's final list in a test window: its place, probability, and whether it was chosen",
    (
        AS_OF,
        text(c.PROTOCOL, "How events were held out", required=True),
        instant(c.CUTOFF, "Start of the window", required=True),
        USER,
        ITEM,
        Column(c.RANK, "INTEGER", "Place in the list, from 1", required=True),
        number(c.SCORE, "Score of the ranker, comparable within a user only; none for what fills a list up"),
        number(
            c.PROBABILITY,
            "That the user chooses it within the window; none without a score, or where nothing earlier taught it",
        ),
        Column(c.WAS_CHOSEN, "BOOLEAN", "Whether the user did", required=True),
    ),
    grain=(c.PROTOCOL, c.CUTOFF, c.USER_ID, c.ITEM_ID),
    partition_by=(c.AS_OF,),
)

PROBABILITY = TableContract(
    "reports.probability",
    "One row a tenth of the tested list items, by predicted probability: how many were chosen beside",
    (
        AS_OF,
        text(c.PROTOCOL, "How events were held out", required=True),
        Column(c.BIN, "INTEGER", "1 = the least probable tenth", required=True),
        number(c.PREDICTED, "Mean predicted probability", unit="share", required=True),
        number(c.OBSERVED, "Share that was chosen", unit="share", required=True),
        number(c.CI_LOW, "Lower end of the share's 95 % interval (Wilson)", unit="share", required=True),
        number(c.CI_HIGH, "Upper end of the share's 95 % interval (Wilson)", unit="share", required=True),
        count(c.ITEM_COUNT, "Items of lists in the bin", unit="items"),
    ),
    grain=(c.PROTOCOL, c.BIN),
    partition_by=(c.AS_OF,),
)
