"""Tables of ranking: what orders the candidates of whom, and their order. Candidates are in `retrieval`."""

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables.table import AS_OF, ITEM, USER, Column, TableContract, count, instant, number, text

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
        count(
            c.N_USERS, "User windows averaged over, not users: somebody counts once at each cutoff", unit="user windows"
        ),
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
        number(
            c.SCORE,
            "What orders the user's candidates, comparable within a user only: the ranker's score, or 1 / (60 + rank) "
            "in another order that ranking.contenders chose",
            required=True,
        ),
        Column(c.RANK, "INTEGER", "Place in the user's list before re-ranking, from 1", required=True),
        Column(c.SOURCES, "VARCHAR[]", "Sources that offered the item", required=True),
        text(c.RANKER_VERSION, "Version of the ranker", required=True),
    ),
    grain=(c.USER_ID, c.ITEM_ID),
    partition_by=(c.AS_OF,),
)
