"""Truths about training rows: labels add a column and nothing else, samples keep what teaches."""

from datetime import UTC, datetime

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from recs_platform.contracts import columns as c
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
