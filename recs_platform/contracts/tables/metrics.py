"""Tables of measured quality: of lists, of candidates, and of rankers against each other."""

from dataclasses import replace

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables.table import AS_OF, USER, Column, TableContract, count, instant, number, text

MODELS = (
    "final, the candidate source alone, candidates (all of them together, candidate_recall only), or "
    "without_mitigation (final without training.balance and rules for what is shown little, where any is on)"
)

LENGTH = "Length of the list; for candidate_recall, most candidates a user may have"

USER_WINDOWS = "User windows averaged over, not users: somebody counts once in each test window with choices of theirs"

OFFLINE_METRICS = TableContract(
    "reports.offline_metrics",
    "One row a model, segment and metric, measured on held-out events with the full catalogue ranked",
    (
        AS_OF,
        text(c.MODEL, MODELS, required=True),
        text(c.SEGMENT, "Segment of users; all = everyone", required=True),
        text(c.METRIC, "Name of the metric", required=True),
        Column(c.K, "INTEGER", LENGTH, required=True, unit="items"),
        number(c.VALUE, "Mean over users and windows"),
        number(c.CI_LOW, "Lower end of the 95 % bootstrap interval"),
        number(c.CI_HIGH, "Upper end of the 95 % bootstrap interval"),
        count(c.N_USERS, USER_WINDOWS, unit="user windows"),
        text(c.PROTOCOL, "How events were held out", required=True),
        Column(c.HORIZON_DAYS, "INTEGER", "Length of a window", unit="days"),
        Column(c.N_WINDOWS, "INTEGER", "Windows pooled", required=True, unit="windows"),
    ),
    grain=(c.MODEL, c.SEGMENT, c.METRIC, c.K, c.PROTOCOL),
    partition_by=(c.AS_OF,),
)

USER_METRICS = TableContract(
    "reports.user_metrics",
    "One row a model, window and user: what offline_metrics averages over",
    (
        AS_OF,
        text(c.PROTOCOL, "How events were held out", required=True),
        instant(c.CUTOFF, "Start of the window", required=True),
        text(c.MODEL, MODELS, required=True),
        USER,
        text(c.METRIC, "Name of the metric", required=True),
        Column(c.K, "INTEGER", LENGTH, required=True, unit="items"),
        number(c.VALUE, "The metric for this user", required=True),
    ),
    grain=(c.PROTOCOL, c.CUTOFF, c.MODEL, c.USER_ID, c.METRIC, c.K),
    partition_by=(c.AS_OF,),
)

LIST_METRICS = TableContract(
    "reports.list_metrics",
    "One row a model, window and metric that speaks of all lists together, such as coverage",
    (
        AS_OF,
        text(c.PROTOCOL, "How events were held out", required=True),
        instant(c.CUTOFF, "Start of the window", required=True),
        text(c.MODEL, "final, the candidate source alone, or without_mitigation", required=True),
        text(c.METRIC, "Name of the metric", required=True),
        Column(c.K, "INTEGER", "Length of the list", required=True, unit="items"),
        number(c.VALUE, "The metric over all lists of the window", required=True),
    ),
    grain=(c.PROTOCOL, c.CUTOFF, c.MODEL, c.METRIC, c.K),
    partition_by=(c.AS_OF,),
)

RETRIEVAL = TableContract(
    "reports.retrieval",
    "One row a metric of candidates or indexes, and the source, segment, other source or share it is told of",
    (
        AS_OF,
        text(
            c.METRIC,
            "candidate_recall, overlap, only_here, rows_per_user, coverage, users_served, index_items, "
            "index_megabytes or audit_recall",
            required=True,
        ),
        text(c.SOURCE, "The candidate source; all = the candidates of every source together", required=True),
        text(c.SEGMENT, "Segment of users that candidate_recall is told of; all = everyone", required=True),
        text("other_source", "overlap: the source that offers the same items to the same users"),
        number("share", "audit_recall: how much of the catalogue searches were allowed", "share (0, 1]"),
        number(
            c.VALUE,
            "A share from 0 to 1, but for rows_per_user (candidates), index_items (items), index_megabytes (10^6 bytes "
            "of vectors)",
            required=True,
        ),
        number(c.CI_LOW, "Lower end of the 95 % bootstrap interval of candidate_recall"),
        number(c.CI_HIGH, "Upper end of the 95 % bootstrap interval of candidate_recall"),
        count(
            c.SAMPLE_SIZE,
            "What it was counted over: user windows (candidate_recall), candidates (overlap, only_here), users served "
            "(rows_per_user), eligible items (coverage), known users (users_served), items (index_items, "
            "index_megabytes), queries (audit_recall)",
            unit="as the metric says",
        ),
        text(c.PROTOCOL, "candidate_recall: how events were held out"),
    ),
    grain=(c.METRIC, c.SOURCE, c.SEGMENT, "other_source", "share"),
    partition_by=(c.AS_OF,),
)

OFFLINE_HISTORY = replace(
    OFFLINE_METRICS,
    name="reports.offline_metrics_history",
    description="The rows of reports.offline_metrics of each as_of before this one",
    history_of=OFFLINE_METRICS.name,
)

RETRIEVAL_HISTORY = replace(
    RETRIEVAL,
    name="reports.retrieval_history",
    description="The rows of reports.retrieval of each as_of before this one",
    history_of=RETRIEVAL.name,
)

PROMOTIONS = TableContract(
    "reports.promotions",
    "One row a line of the gate: the newest ranker against the champion in force, or popularity where there is none",
    (
        AS_OF,
        text(
            c.DECISION,
            "first, unproven, promoted, refreshed, untested (the newest serves), kept (its opponent does), pinned",
            required=True,
        ),
        text(c.CHALLENGER_VERSION, "Version of the newest ranker", required=True),
        text(c.OPPONENT, "Version of the champion in force, popularity, or none", required=True),
        text(c.LINE, "What was judged; decision = all of it together", required=True),
        text(c.SEGMENT, "Segment of users; all = everyone", required=True),
        text(c.METRIC, "Name of the metric; empty where the line has none", required=True),
        number(c.CHALLENGER_VALUE, "The newest ranker's value"),
        number(c.OPPONENT_VALUE, "The opponent's value"),
        number(c.DIFFERENCE, "The first less the second"),
        number(c.CI_LOW, "Lower end of the interval of the difference; users are drawn, with all their windows"),
        number(c.CI_HIGH, "Upper end of the interval of the difference"),
        number(c.THRESHOLD, "The limit it was held against"),
        count(c.N_USERS, USER_WINDOWS, unit="user windows"),
        Column(
            c.IS_REQUIRED,
            "BOOLEAN",
            "Whether it must hold by itself; of superiority, and non-inferiority with a gain, one will do",
            required=True,
        ),
        Column(c.IS_PASSED, "BOOLEAN", "Whether it holds", required=True),
        text(c.MESSAGE, "One sentence for the operator", required=True),
    ),
    grain=(c.LINE, c.SEGMENT, c.METRIC),
    partition_by=(c.AS_OF,),
)
