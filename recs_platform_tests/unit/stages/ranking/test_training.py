"""Truths about training rows: labels add a column and nothing else, samples keep what teaches."""

from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.stages.ranking.outcomes import no_outcomes, outcomes_of
from recs_platform.stages.ranking.relevance import grades, importance
from recs_platform.stages.ranking.training import label_rows, sample_rows

CUTOFF = datetime(2020, 1, 8, tzinfo=UTC)


def candidates(users: int, items: int) -> pl.DataFrame:
    pairs = [(f"u{user}", f"i{item}") for user in range(users) for item in range(items)]
    return pl.DataFrame(pairs, schema=[c.USER_ID, c.ITEM_ID], orient="row").with_columns(
        pl.Series(c.FUSED_SCORE, [1.0 / (1 + row % items) for row in range(len(pairs))], pl.Float32)
    )


def pairs(*rows: tuple[str, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={c.USER_ID: pl.String, c.ITEM_ID: pl.String}, orient="row")


def test_exactly_the_chosen_candidates_are_positives():
    labelled = label_rows(candidates(2, 3), pairs(("u0", "i1"), ("u0", "i1"), ("u1", "not a candidate")), cutoff=CUTOFF)

    assert labelled[c.LABEL].to_list() == [0, 1, 0, 0, 0, 0]
    assert labelled.schema[c.LABEL] == pl.Int8
    assert labelled.schema[c.CUTOFF] == pl.Datetime("us", "UTC")
    assert labelled[c.CUTOFF].unique().to_list() == [CUTOFF]


def test_what_happens_after_the_cutoff_changes_labels_only():
    rows = candidates(3, 4)

    before = label_rows(rows, pairs(("u0", "i0")), cutoff=CUTOFF)
    after = label_rows(rows, pairs(("u1", "i2"), ("u2", "i3")), cutoff=CUTOFF)

    assert before.drop(c.LABEL).equals(after.drop(c.LABEL))
    assert before.select(rows.columns).equals(rows)


def test_users_who_chose_nothing_teach_nothing():
    labelled = label_rows(candidates(3, 5), pairs(("u1", "i4")), cutoff=CUTOFF)

    assert sample_rows(labelled, 4, seed=7)[c.USER_ID].unique().to_list() == ["u1"]


def test_every_negative_is_as_likely_to_be_drawn_whatever_its_sources_said():
    labelled = label_rows(candidates(400, 40), pairs(*((f"u{n}", "i39") for n in range(400))), cutoff=CUTOFF)

    sample = sample_rows(labelled, 10, seed=7)

    assert sample.filter(pl.col(c.LABEL) == 1)[c.ITEM_ID].to_list() == ["i39"] * 400
    drawn = sample.filter(pl.col(c.LABEL) == 0).group_by(c.ITEM_ID).len()
    expected = 400 * 10 / 39
    assert drawn.height == 39
    assert drawn["len"].is_between(0.6 * expected, 1.4 * expected).all()


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 8))
def test_a_sample_depends_on_neither_row_order_nor_other_users(random, negatives):
    labelled = label_rows(candidates(4, 9), pairs(*((f"u{n}", f"i{n}") for n in range(3))), cutoff=CUTOFF)
    order = list(range(labelled.height))
    random.shuffle(order)

    sample = sample_rows(labelled, negatives, seed=3)
    alone = sample_rows(labelled.filter(pl.col(c.USER_ID) == "u1"), negatives, seed=3)

    assert sample_rows(labelled[order], negatives, seed=3).equals(sample)
    assert sample.filter(pl.col(c.USER_ID) == "u1").equals(alone)
    assert sample.columns == labelled.columns
    assert sample.group_by(c.USER_ID).agg((pl.col(c.LABEL) == 0).sum())[c.LABEL].to_list() == [negatives] * 3


def test_another_seed_draws_other_easy_negatives():
    labelled = label_rows(candidates(1, 200), pairs(("u0", "i5")), cutoff=CUTOFF)

    assert not sample_rows(labelled, 20, seed=1).equals(sample_rows(labelled, 20, seed=2))


def happened(*rows: tuple[str, str, float, float | None, int | None]) -> pl.DataFrame:
    """Events of one user: item, type, weight, dwell, position."""
    schema = {c.ITEM_ID: pl.String, c.EVENT_TYPE: pl.String, c.WEIGHT: pl.Float64}
    schema |= {c.DWELL_SECONDS: pl.Float64, c.POSITION: pl.Int32}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.lit("u0").alias(c.USER_ID))


def test_what_became_of_a_pair_is_told_by_its_events():
    outcomes = outcomes_of(
        happened(
            ("bought", "impression", 0.0, None, 7),
            ("bought", "impression", 0.0, None, 3),
            ("bought", "view", 1.0, 2.0, None),
            ("bought", "purchase", 5.0, None, None),
            ("dismissed", "view", 1.0, 60.0, None),
            ("dismissed", "dismiss", 0.0, None, None),
            ("left at once", "click", 1.0, None, 2),
            ("left at once", "view", 1.0, 4.9, None),
            ("read", "view", 1.0, 4.9, None),
            ("read", "view", 1.0, 5.0, None),
            ("seen", "impression", 0.0, None, None),
            ("unknown time", "click", 1.0, None, None),
        )
    )
    columns = [c.ITEM_ID, c.STRENGTH, c.IS_REFUSED, c.IS_SHOWN, c.SHOWN_POSITION]
    assert outcomes.select(columns).rows() == [
        ("bought", 5.0, False, True, 3),
        ("dismissed", 1.0, True, False, None),
        ("left at once", 1.0, True, False, None),
        ("read", 1.0, False, False, None),
        ("seen", 0.0, False, True, None),
        ("unknown time", 1.0, False, False, None),
    ]
    assert outcomes.schema == no_outcomes().schema


def test_rows_in_are_rows_out():
    outcomes = outcomes_of(happened(("i0", "dismiss", 0.0, None, None), ("never offered", "click", 1.0, None, None)))
    rows = candidates(2, 3)
    labelled = label_rows(rows, pairs(("u0", "i1")), cutoff=CUTOFF, outcomes=outcomes)
    assert labelled.select(rows.columns).equals(rows)
    assert labelled[c.IS_REFUSED].to_list() == [True, None, None, None, None, None]
    with pytest.raises(ContractError, match="6 training rows became 7"):
        label_rows(rows, pairs(("u0", "i1")), cutoff=CUTOFF, outcomes=pl.concat([outcomes, outcomes.head(1)]))


def test_what_was_never_shown_is_no_negative_where_anything_was():
    shown = outcomes_of(happened(*((f"i{item}", "impression", 0.0, None, item + 1) for item in range(3))))
    labelled = label_rows(candidates(2, 6), pairs(("u0", "i1"), ("u1", "i4")), cutoff=CUTOFF, outcomes=shown)
    assert sample_rows(labelled, 9, 7, shown_only=True).select(c.USER_ID, c.ITEM_ID, c.LABEL).rows() == [
        ("u0", "i0", 0),
        ("u0", "i1", 1),
        ("u0", "i2", 0),
    ]
    without = label_rows(candidates(2, 6), pairs(("u0", "i1"), ("u1", "i4")), cutoff=CUTOFF)
    assert sample_rows(without, 9, 7, shown_only=True).equals(sample_rows(without, 9, 7))


def test_grades_and_importance_are_as_asked():
    labelled = label_rows(candidates(1, 4), pairs(("u0", "i0"), ("u0", "i1"), ("u0", "i2")), cutoff=CUTOFF)
    rows = labelled.with_columns(
        pl.Series(c.STRENGTH, [1.0, 3.0, 5.0, 5.0], pl.Float32), pl.Series(c.IS_REFUSED, [True, None, False, None])
    )
    plain = {"graded": False, "refusals_are_negatives": False}
    assert grades(rows, **plain).tolist() == [1, 1, 1, 0]
    assert grades(rows, **plain | {"graded": True}).tolist() == [1, 2, 3, 0]
    assert grades(rows, **plain | {"refusals_are_negatives": True}).tolist() == [0, 1, 1, 0]
    assert importance(rows, recency_half_life_days=None, balance=0) is None
    older = rows.with_columns(pl.col(c.CUTOFF) - pl.duration(days=7))
    both = importance(pl.concat([rows, older]), recency_half_life_days=7, balance=0)
    assert both is not None
    assert both.tolist() == pytest.approx([4 / 3] * 4 + [2 / 3] * 4)
    # Three users of one group and one of another: a row of the rare one counts three times as much.
    groups = label_rows(candidates(4, 2), pairs(("u0", "i0")), cutoff=CUTOFF).with_columns(
        pl.Series("distinct_item_count", [20.0] * 6 + [2.0] * 2, pl.Float32)
    )
    balanced = importance(groups, recency_half_life_days=None, balance=1)
    assert balanced is not None
    assert balanced.tolist() == pytest.approx([2 / 3] * 6 + [2.0] * 2)
