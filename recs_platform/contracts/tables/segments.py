"""Tables of the segments that are learned: clusters, how they were chosen, what they are like, who moved.

Segments that are rules are SQL models, described by their yml.
"""

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables.table import AS_OF, USER, Column, TableContract, count, instant, number, text

FRACTION = "fraction 0-1"

BEHAVIOUR_SEGMENTS = TableContract(
    "segments.behaviour_segments",
    "One row a user: the cluster of users who behave alike. Ids are kept from one as_of to the next",
    (
        AS_OF,
        USER,
        text(c.SEGMENT_ID, "The cluster, b1, b2, …; none = no event, or none that may be used", required=True),
        text(c.SEGMENT_NAME, "What sets the cluster apart, in words; may change while the id stays", required=True),
        Column(c.IS_NOISE, "BOOLEAN", "Farther from the cluster than any user it was made of", required=True),
    ),
    grain=(c.USER_ID,),
    partition_by=(c.AS_OF,),
)

CLUSTER_TRIALS = TableContract(
    "segments.cluster_trials",
    "One row a way of clustering that was tried, with the numbers it was judged by",
    (
        AS_OF,
        Column(c.TRIAL, "INTEGER", "Number of the trial, from 1", required=True),
        text(c.ALGORITHM, "one_cluster, k_means, gaussian_mixture, dbscan or hdbscan", required=True),
        text(c.PARAMETERS, "Its parameters, as JSON", required=True),
        count(c.CLUSTER_COUNT, "Clusters found", unit="clusters"),
        number(c.SILHOUETTE, "Mean silhouette of the sample as assigned; missing with one cluster", "-1 to 1"),
        number(c.DAVIES_BOULDIN, "Davies-Bouldin index of the sample as assigned, lower is better; missing likewise"),
        number(c.STABILITY, "Mean adjusted Rand index of refits on resamples; missing where not measured", "-1 to 1"),
        number(c.NOISE_SHARE, "Users of the sample that the algorithm puts into no cluster", FRACTION, required=True),
        number(c.SMALLEST_SHARE, "Share of the smallest cluster in the sample as assigned", FRACTION, required=True),
        Column(c.IS_CHOSEN, "BOOLEAN", "Whether the segments are made by it; one trial is", required=True),
        text(c.REASON, "Why it was chosen, or why not", required=True),
    ),
    grain=(c.TRIAL,),
    partition_by=(c.AS_OF,),
)

CLUSTER_PROFILES = TableContract(
    "segments.cluster_profiles",
    "One row a cluster and feature: how its users differ from all clustered users",
    (
        AS_OF,
        text(c.SEGMENT_ID, "The cluster", required=True),
        text(c.FEATURE, "Column of features.user_features", required=True),
        number(c.MEAN, "Mean over the cluster's users who have a value; missing when none has"),
        number(c.OVERALL_MEAN, "Mean over all clustered users who have a value", required=True),
        number(c.Z, "Difference of the two; 0 where every user has the same value", "overall standard deviations"),
        Column(c.RANK, "INTEGER", "Place by size of z within the cluster, from 1", required=True),
        count(c.USER_COUNT, "Users in the cluster", unit="users"),
    ),
    grain=(c.SEGMENT_ID, c.FEATURE),
    partition_by=(c.AS_OF,),
)

MIGRATIONS = TableContract(
    "segments.migrations",
    "One row a segmentation and pair of segments: users who went from one to the other since the as_of before",
    (
        AS_OF,
        text(c.SEGMENTATION, "lifecycle or behaviour", required=True),
        text(c.FROM_SEGMENT_ID, "Segment then; absent = not known then", required=True),
        text(c.TO_SEGMENT_ID, "Segment now; absent = no longer known", required=True),
        instant(c.PREVIOUS_AS_OF, "The as_of before", required=True),
        count(c.USER_COUNT, "Users who made this step", unit="users"),
        number(c.SHARE_OF_FROM, "Share of those who were in the first segment", FRACTION, required=True),
    ),
    grain=(c.SEGMENTATION, c.FROM_SEGMENT_ID, c.TO_SEGMENT_ID),
    partition_by=(c.AS_OF,),
)

SEGMENT_FACTORS = TableContract(
    "segments.segment_factors",
    "One row a target and feature that a small decision tree uses to tell the target's values apart",
    (
        AS_OF,
        text(c.TARGET, "behaviour, lifecycle or top_category", required=True),
        text(c.FEATURE, "Column of features.user_features", required=True),
        number(c.IMPORTANCE, "The feature's share in the fall of the tree's Gini impurity", FRACTION, required=True),
        Column(c.RANK, "INTEGER", "Place by importance, from 1", required=True),
    ),
    grain=(c.TARGET, c.FEATURE),
    partition_by=(c.AS_OF,),
)
