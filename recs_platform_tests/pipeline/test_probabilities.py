"""The probability is told of scored items of tests after the trials alone."""

from datetime import UTC, datetime

import polars as pl

from recs_platform.evaluation.probability import Calibration
from recs_platform.pipeline.training.probabilities import TrialCalibration, with_probability

BEFORE, SINCE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 15, tzinfo=UTC)
LISTED = pl.DataFrame(
    {
        "cutoff": [BEFORE, SINCE, SINCE, SINCE],
        "rank": pl.Series([1, 1, 2, 3], dtype=pl.Int32),
        "score": [1.0, 1.0, None, 1.0],
        "probability": pl.Series([None] * 4, dtype=pl.Float64),
    },
    schema_overrides={"cutoff": pl.Datetime("us", "UTC")},
)


def test_no_older_test_and_nothing_without_a_score_has_a_probability():
    learned = TrialCalibration(Calibration(0.0, 1.0, -1.0, 1.0, 1.0), SINCE)
    found = with_probability(LISTED, learned)
    assert found.columns == LISTED.columns
    probability = found["probability"].to_list()
    assert (probability[0], probability[2]) == (None, None)
    assert probability[1] == 0.5
    assert 0.1 < probability[3] < 0.5


def test_where_nothing_was_learned_nothing_is_told():
    assert with_probability(LISTED, None).equals(LISTED)
