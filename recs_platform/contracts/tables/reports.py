"""Tables of the reports: metrics, drift, bias, retrieval, verdicts. Tables that models write are in their yml."""

from dataclasses import replace

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables.table import AS_OF, USER, Column, TableContract, count, instant, number, text

MODELS = (
    "final, the candidate source alone, candidates (all of them together, candidate_recall only), or "
    "without_mitigation (final without training.balance and rules for what is shown little, where any is on)"
)
LENGTH = "Length of the list; for candidate_recall, most candidates a user may have"

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
        count(c.N_USERS, "Users and windows averaged over", unit="user windows"),
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

DATA_PROFILE = TableContract(
    "reports.data_profile",
    "One row a fact of the events, a choice made from them, or a trial behind it; what lies before the first test",
    (
        AS_OF,
        text(c.KIND, "fact (measured), choice (in force, and why), trial (what it was made from)", required=True),
        text(c.NAME, "What is measured, chosen or tried", required=True),
        number(c.VALUE, "The number; none where it cannot be measured, or is no number"),
        text(c.UNIT, "Its unit", required=True),
        text(c.MESSAGE, "What it means, or why it was chosen", required=True),
    ),
    grain=(c.KIND, c.NAME),
    partition_by=(c.AS_OF,),
)

DRIFT = TableContract(
    "reports.drift",
    "One row a feature: how far its distribution moved since the reference",
    (
        AS_OF,
        text(c.TABLE_NAME, "Feature table", required=True),
        text(c.COLUMN_NAME, "Feature", required=True),
        text(c.SCOPE, "Whose property it is, user or item: what sample_size counts", required=True),
        text(c.METHOD, "Distance used", required=True),
        number(c.VALUE, "Distance between reference and now"),
        number(c.THRESHOLD, "Distance from which it counts as drift, after correction for the number of features"),
        Column("is_drifted", "BOOLEAN", "Whether the distance passes the threshold", required=True),
        count(c.SAMPLE_SIZE, "Users or items compared on the smaller side: independent facts, not events"),
        instant("reference_as_of", "As-of of the reference", required=True),
        number(c.USUAL_DISTANCE, "Distance of a quiet period: of past ones, or by chance; missing where none is usual"),
        count(c.N_PERIODS, "Past periods that say what is usual"),
        number(c.P_VALUE, "Probability of at least this distance in a quiet period"),
        number(c.GAIN_SHARE, "Share of the champion's gain that its splits on the feature make", "share [0, 1]"),
        text(c.UPSTREAM, "Columns of raw tables that a drifted feature is computed from"),
        text(c.PROPOSAL, "What to do of a drifted feature: retrain, quarantine or ignore"),
    ),
    grain=(c.TABLE_NAME, c.COLUMN_NAME),
    partition_by=(c.AS_OF,),
)

ACTIVITY_DRIFT = TableContract(
    "reports.activity_drift",
    "One row a mix or distribution of what happens: events, catalogue, scores, lists, labels; how far the last period "
    "is from quiet ones before it",
    (
        AS_OF,
        text(c.KIND, "event_mix, catalogue, scores, lists or labels", required=True),
        text(c.DIMENSION, "What is mixed or distributed, such as event_type or popularity_tier", required=True),
        text(c.SEGMENT, "Users it is told of, by device or segment; all = everyone", required=True),
        text(c.SOURCE, "Source of the events; all = every one", required=True),
        text(c.METHOD, "Distance used; no_data where nothing could be compared", required=True),
        number(c.VALUE, "Distance of the last period from the earlier ones: the effect"),
        number(c.THRESHOLD, "Distance from which it counts as drift, after correction for the number of rows"),
        Column(c.IS_DRIFTED, "BOOLEAN", "Whether the distance passes the threshold", required=True),
        count(c.SAMPLE_SIZE, "Users or items on the smaller side: independent facts, not events"),
        number(c.USUAL_DISTANCE, "Distance of a quiet period; missing where none is usual"),
        count(c.N_PERIODS, "Earlier periods compared with"),
        text(c.COMPARED_WITH, "What the earlier periods are: days of the same weekday, days, weeks, as-ofs"),
        number(c.P_VALUE, "Probability of at least this distance in a quiet period"),
        text(c.MOVED_VALUE, "The value whose share moved most; median of a distribution"),
        text(c.DIRECTION, "up or down: where it moved"),
        number(c.VALUE_BEFORE, "Its share, or the median, in the earlier periods"),
        number(c.VALUE_NOW, "The same in the last period"),
        text(c.NEW_VALUES, "Values that no earlier period had"),
        text(c.UPSTREAM, "Columns of raw tables, or tables, that it comes from"),
        text(c.PROPOSAL, "What to do where it drifted: retrain or quarantine; quarantine of events that stopped, too"),
        text(c.RANKER_VERSION, "scores: the ranker that made them; others are not compared with"),
        text(c.PROFILE, "The last period as JSON: shares by value, or percentiles; later as-ofs compare with it"),
    ),
    grain=(c.KIND, c.DIMENSION, c.SEGMENT, c.SOURCE),
    partition_by=(c.AS_OF,),
)

BUSINESS = TableContract(
    "reports.business",
    "One row a period, group of users, segment and metric: what people did; intervals draw users",
    (
        AS_OF,
        text(
            c.PERIOD,
            "last_28_days, 28_days_before, or the as_of of the lists that were the newest from then to the next",
            required=True,
        ),
        text(c.GROUP, "all, personal (lists of their own), holdout (popular items only)", required=True),
        text(
            c.SEGMENT,
            "Lifecycle segment: that of this as_of, of a release that of its time; all = everyone",
            required=True,
        ),
        text(
            c.METRIC,
            "click_through_rate, recommended_click_through_rate, conversion_rate, dwell_seconds, return_rate or "
            "sessions_per_user_week",
            required=True,
        ),
        number(c.VALUE, "The metric; missing where the log cannot tell it, never 0 for that"),
        number(c.CI_LOW, "Lower end of the 95 % bootstrap interval"),
        number(c.CI_HIGH, "Upper end of the 95 % bootstrap interval"),
        count(c.N_USERS, "Users behind it"),
        count(c.SAMPLE_SIZE, "Impressions, users, events, weeks of users: what is below the line"),
        text(c.MESSAGE, "Why the value is missing"),
    ),
    grain=(c.PERIOD, c.GROUP, c.SEGMENT, c.METRIC),
    partition_by=(c.AS_OF,),
)

BIAS = TableContract(
    "reports.bias",
    "One row a group: its share of exposure or its quality of service",
    (
        AS_OF,
        text(
            "dimension",
            "exposure (items), quality (users), mitigation (either with it; reference: without)",
            required=True,
        ),
        text(c.ATTRIBUTE, "What the groups differ in", required=True),
        text(c.GROUP, "The group; no_data where the attribute is missing", required=True),
        text(c.METRIC, "Name of the metric", required=True),
        number(c.VALUE, "The group's value"),
        number("reference", "What a fair share or everyone's mean would be"),
        number("ratio", "value over reference"),
        number(c.CI_LOW, "Lower end of the 95 % bootstrap interval of the value"),
        number(c.CI_HIGH, "Upper end of the 95 % bootstrap interval of the value"),
        count(c.SAMPLE_SIZE, "Users or items in the group"),
        text(c.VERDICT, "pass, warn, block or no_data", required=True),
    ),
    grain=("dimension", c.ATTRIBUTE, c.GROUP, c.METRIC),
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

DRIFT_HISTORY = replace(
    DRIFT,
    name="reports.drift_history",
    description="The rows of reports.drift of each as_of before this one",
    history_of=DRIFT.name,
)

ACTIVITY_DRIFT_HISTORY = replace(
    ACTIVITY_DRIFT,
    name="reports.activity_drift_history",
    description="The rows of reports.activity_drift of each as_of before this one",
    history_of=ACTIVITY_DRIFT.name,
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
        count(c.N_USERS, "Users and windows averaged over", unit="user windows"),
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

OFF_POLICY = TableContract(
    "reports.off_policy",
    "One row a comparison, policy and estimator: mean clicks of a shown item that lists would have earned on the log",
    (
        AS_OF,
        text(
            c.SUBJECT,
            "What is compared: coming (with the release in force), in_force (with the one before)",
            required=True,
        ),
        text(c.POLICY, "Whose lists: coming, in_force, before", required=True),
        text(c.ESTIMATOR, "How it is estimated; logged: what the log itself earned", required=True),
        text(c.RELEASE_ID, "The release; missing of lists that are not released yet"),
        Column(c.K, "INTEGER", "Length of the lists", required=True, unit="items"),
        number(c.VALUE, "Mean clicks of a shown item"),
        number(c.CI_LOW, "Lower end of the 95 % interval by user"),
        number(c.CI_HIGH, "Upper end of it"),
        number(c.EFFECTIVE_ROWS, "Effective sample size of the weights"),
        count(c.ROW_COUNT, "Shown items of the log"),
        count(c.N_USERS, "Users of the log with a list of both", unit="users"),
        number(c.SUPPORTED_SHARE, "Share of what the lists show that the log could have shown"),
        Column(c.IS_ESTIMABLE, "BOOLEAN", "Whether the log shows enough of it to say anything", required=True),
    ),
    grain=(c.SUBJECT, c.POLICY, c.ESTIMATOR),
    partition_by=(c.AS_OF,),
)

EXPERIMENTS = TableContract(
    "reports.experiments",
    "One row an experiment, variant, segment and metric: the variant against the control; intervals hold at every look",
    (
        AS_OF,
        text(c.EXPERIMENT, "The experiment", required=True),
        text(c.VARIANT, "The variant", required=True),
        text(c.SEGMENT, "Users compared; all = everyone exposed", required=True),
        text(
            c.METRIC,
            "The metric; sample_ratio: share of users; share_of_wins: users who chose more of it",
            required=True,
        ),
        count(c.N_USERS, "Users of the variant", unit="users"),
        count(c.CONTROL_USERS, "Users of the control", unit="users"),
        number(c.VALUE, "The metric in the variant, adjusted by what users did before"),
        number(c.CONTROL_VALUE, "The metric in the control; of sample_ratio the share that was set"),
        number(c.DIFFERENCE, "The first less the second"),
        number(c.CI_LOW, "Lower end of the 95 % interval of the difference; missing with too few users"),
        number(c.CI_HIGH, "Upper end of it"),
        number(c.LIFT, "The first over the second, less 1; missing where the control may be zero"),
        number(c.LIFT_LOW, "Lower end of the 95 % interval of the lift"),
        number(c.LIFT_HIGH, "Upper end of it"),
        number(c.P_VALUE, "p-value that holds at every look; of sample_ratio that of the shares", "probability"),
        number(c.ADJUSTED_P, "The same after Holm's correction, everybody and segments each by themselves"),
        Column(c.IS_FOUND, "BOOLEAN", "Whether the difference holds after correction", required=True),
        number(c.NARROWED_SHARE, "Share of the variance that what users did before took away", "fraction 0-1"),
        number(c.DETECTABLE, "The difference that a look at this size finds four times in five"),
    ),
    grain=(c.EXPERIMENT, c.VARIANT, c.SEGMENT, c.METRIC),
    partition_by=(c.AS_OF,),
)

VERDICTS = TableContract(
    "reports.verdicts",
    "One row a report and subject: pass, warn, block or no_data, with the numbers behind it",
    (
        AS_OF,
        text(c.REPORT, "The report", required=True),
        text(c.SUBJECT, "What was judged", required=True),
        text(c.VERDICT, "pass, warn, block or no_data", required=True),
        number(c.VALUE, "The number judged"),
        number(c.THRESHOLD, "The limit it was held against"),
        count(c.SAMPLE_SIZE, "How many rows stand behind it"),
        text(c.MESSAGE, "One sentence for the operator", required=True),
    ),
    grain=(c.REPORT, c.SUBJECT),
    partition_by=(c.AS_OF,),
)
