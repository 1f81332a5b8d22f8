"""A copy of the label is found however it is dressed; what sorts well by merit, or by luck in few rows, is not."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recs_platform.evaluation.leakage import (
    AUC_MAX,
    EQUAL_ROWS_MIN,
    ROWS_MIN,
    FeatureLeakage,
    count_pairs,
    measure_leakage,
)

FEATURES = ("leaking", "honest")
rows_of = st.lists(
    st.tuples(st.sampled_from([None, -2.0, 0.0, 0.5, 3.0]), st.booleans(), st.integers(0, 2)), min_size=1, max_size=30
)


@settings(max_examples=100, deadline=None)
@given(rows_of)
def test_pairs_are_those_of_scikit_learn_in_each_group(rows):
    from sklearn.metrics import roc_auc_score

    values, labels, groups = (np.array(column) for column in zip(*rows, strict=True))
    values = values.astype(float)
    pairs = count_pairs(values, labels, groups)
    expected = {-9.0: 0.0, 9.0: 0.0}
    count = 0
    for group in range(3):
        mine = groups == group
        between = int((mine & labels).sum() * (mine & ~labels).sum())
        count += between
        for missing in expected if between else ():
            area = roc_auc_score(labels[mine], np.nan_to_num(values[mine], nan=missing))
            expected[missing] += float(area) * between
    assert pairs.count == count
    assert (pairs.above_missing_least, pairs.above_missing_most) == pytest.approx(tuple(expected.values()))


def test_no_rows_are_no_pairs():
    assert count_pairs(np.empty(0), np.empty(0, bool), np.empty(0, int)).count == 0
    assert count_pairs(np.empty(0), np.empty(0, bool), np.empty(0, int)).auc == 0.5


def window(seed: int, positives: int = 100, negatives: int = 900) -> pl.DataFrame:
    """Labels of ten users, and what is worth having: deviations lie one apart, an area of about 0.76."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([1, 0], [positives, negatives])
    count = len(labels)
    return pl.DataFrame(
        {
            "user": [f"u{code % 10}" for code in range(count)],
            "label": labels.astype(np.int8),
            "honest": (rng.normal(size=count) + labels).astype(np.float32),
        }
    )


def measure(*windows: pl.DataFrame) -> dict[str, FeatureLeakage]:
    return {leakage.feature: leakage for leakage in measure_leakage(windows, FEATURES, label="label", user="user")}


LABEL = pl.col("label").cast(pl.Float32)
DISGUISES = {
    "as it is": LABEL,
    "turned round": 1 - LABEL,
    "missing where it is 0": pl.when(LABEL > 0).then(7.0),
    "missing where it is 1": pl.when(LABEL == 0).then(pl.col("honest")),
    "under noise": LABEL * 4 + pl.col("honest") / 2,
    # the window's level hides it from a comparison across windows
    "on another level in each window": LABEL + 1000 * pl.col("honest").mean(),
}


@pytest.mark.parametrize("disguise", DISGUISES.values(), ids=DISGUISES.keys())
def test_the_label_is_found_in_every_disguise(disguise: pl.Expr):
    measured = measure(*(window(seed).with_columns(disguise.alias("leaking")) for seed in (1, 2)))
    assert measured["leaking"].is_suspect
    assert measured["leaking"].power > AUC_MAX
    assert not measured["honest"].is_suspect
    assert 0.7 < measured["honest"].auc < 0.82
    assert list(measured) == ["leaking", "honest"], "the highest power comes first"


def test_what_is_higher_for_some_users_is_compared_within_each():
    level = pl.col("user").str.slice(1).cast(pl.Float32) * 10
    measured = measure(window(1).with_columns((level + LABEL).alias("leaking")))
    assert (measured["leaking"].within, measured["leaking"].auc) == ("users", 1.0)


def test_few_rows_prove_nothing_but_equality_does():
    few = ROWS_MIN - 1
    assert not measure(window(1, positives=few).with_columns((LABEL * 2).alias("leaking")))["leaking"].is_suspect
    assert measure(window(1, positives=few).with_columns(LABEL.alias("leaking")))["leaking"].is_suspect
    fewer = window(1, positives=EQUAL_ROWS_MIN - 1).with_columns(LABEL.alias("leaking"))
    assert not measure(fewer)["leaking"].is_suspect


def test_nothing_to_compare_is_no_leakage():
    assert not any(leakage.is_suspect for leakage in measure().values())
    constant = window(1, positives=0).with_columns(LABEL.alias("leaking"))
    assert measure(constant)["leaking"].auc == 0.5
    assert not measure(constant)["leaking"].is_suspect
