"""Tables of reports on what people did and were shown, and of verdicts. Quality is in `metrics`, drift in `drift`."""

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables.table import AS_OF, Column, TableContract, count, number, text

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
    "One row a group: its share of exposure or of what is learned from, or its quality of service",
    (
        AS_OF,
        text(
            "dimension",
            "exposure (items), quality, training, calibration (users), mitigation (either with it; reference: without)",
            required=True,
        ),
        text(c.ATTRIBUTE, "What the groups differ in", required=True),
        text(c.GROUP, "The group; no_data where the attribute is missing", required=True),
        text(c.METRIC, "Name of the metric", required=True),
        number(c.VALUE, "The group's value"),
        number("reference", "What a fair share, everyone's mean or the expected value would be"),
        number("ratio", "value over reference"),
        number(c.CI_LOW, "Lower end of the 95 % bootstrap interval of the value"),
        number(c.CI_HIGH, "Upper end of the 95 % bootstrap interval of the value"),
        count(c.SAMPLE_SIZE, "Users or items in the group"),
        text(c.VERDICT, "pass, warn, block or no_data", required=True),
    ),
    grain=("dimension", c.ATTRIBUTE, c.GROUP, c.METRIC),
    partition_by=(c.AS_OF,),
)

EDGE_CASES = TableContract(
    "reports.edge_cases",
    "One row a made-up user at the edges of what lists are made for: what this as-of would give them",
    (
        AS_OF,
        text(c.NAME, "Which of them, such as no_history or everything_consumed", required=True),
        text(c.PROFILE, "Who that is", required=True),
        count(c.EVENT_COUNT, "Events that were made up of them", unit="events"),
        count(c.OFFER_COUNT, "Candidates that sources offered them", unit="items"),
        count(c.LIST_LENGTH, "Items of their list", unit="items"),
        count(c.ELIGIBLE_COUNT, "Items that they may be shown, told of short lists", required=False, unit="items"),
        text(c.SOURCES, "Sources of the listed items, each with how many it offered"),
        number(c.FALLBACK_SHARE, "Listed items that the fallback filled in", "share [0, 1]"),
        number(c.POPULAR_SHARE, "Listed items that the fallback alone would have shown too", "share [0, 1]"),
        count(c.CATEGORY_COUNT, "Categories in the list", unit="categories"),
        number(c.SCORE_MIN, "Least score of the list; the ranker's own scale"),
        number(c.SCORE_MAX, "Greatest score of the list; the ranker's own scale"),
        text(c.BROKEN_RULES, "Checks of lists that the list breaks"),
        text(c.VERDICT, "pass or warn", required=True),
        text(c.MESSAGE, "What is wrong, or why the list is short"),
    ),
    grain=(c.NAME,),
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
