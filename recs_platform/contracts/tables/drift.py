"""Tables of what the data are like, and of how far they moved."""

from dataclasses import replace

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables.table import AS_OF, Column, TableContract, count, instant, number, text

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

DATA_QUALITY = TableContract(
    "reports.data_quality",
    "One row a fact of the data's quality: what it is now beside what it was on earlier days or ingestions",
    (
        AS_OF,
        text(c.KIND, "nulls, ranges, volumes, freshness, duplicates, integrity or quarantine", required=True),
        text(c.TABLE_NAME, "Table that it is told of", required=True),
        text(c.COLUMN_NAME, "Column; all = whole rows", required=True),
        text(c.SOURCE, "Source of the rows; all = every one", required=True),
        text(
            c.SEGMENT,
            "Event type, or table of files; of catalogue and profiles whole (as they stand) or new (what came last); "
            "all = every row",
            required=True,
        ),
        text(c.METRIC, "What is measured, such as null_share or mean", required=True),
        number(c.VALUE, "The value now; missing where there is nothing to measure"),
        number(c.USUAL_VALUE, "Median of the earlier values"),
        number(c.USUAL_LOW, "Lower end of the band: a value below warns"),
        number(c.USUAL_HIGH, "Upper end of the band: a value above warns"),
        count(c.SAMPLE_SIZE, "Rows behind the value"),
        count(c.N_PERIODS, "Earlier days or ingestions behind the band", unit="periods"),
        text(c.COMPARED_WITH, "What the earlier values are of: days, days of the same weekday, ingestions, files"),
        number(c.P_VALUE, "Probability of at least this distance from the median in a quiet period"),
        text(c.VERDICT, "pass, warn or no_data", required=True),
        text(c.MESSAGE, "What is unusual, or why it could not be judged"),
    ),
    grain=(c.KIND, c.TABLE_NAME, c.COLUMN_NAME, c.SOURCE, c.SEGMENT, c.METRIC),
    partition_by=(c.AS_OF,),
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
