"""Truths about scored candidates: each user's best in order, the same in any batches."""

import polars as pl
import pytest

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.contracts.features import FeatureSet
from recs_platform.stages.ranking.ranker import fusion_ranker
from recs_platform.stages.ranking.scoring import rank_candidates

RANKER = fusion_ranker(FeatureSet(()))


def batch(*rows: tuple[str, str, float]) -> pl.DataFrame:
    frame = pl.DataFrame(
        rows, schema={c.USER_ID: pl.String, c.ITEM_ID: pl.String, c.FUSED_SCORE: pl.Float32}, orient="row"
    )
    return frame.with_columns(pl.concat_list(pl.lit("als")).alias(c.SOURCES))


A = batch(("a", "x", 0.25), ("a", "y", 0.75), ("a", "z", 0.5))
B = batch(("b", "y", 0.5), ("b", "x", 0.5))


def rank(*batches: pl.DataFrame, top_n: int = 10) -> pl.DataFrame:
    return pl.concat(rank_candidates(batches, RANKER, top_n=top_n, threads=1))


def test_the_best_come_first_and_ties_go_to_the_lesser_item():
    ranked = rank(pl.concat([B, A]), top_n=2)

    assert ranked.select(c.USER_ID, c.RANK, c.ITEM_ID, c.SCORE).rows() == [
        ("a", 1, "y", 0.75), ("a", 2, "z", 0.5), ("b", 1, "x", 0.5), ("b", 2, "y", 0.5),
    ]  # fmt: skip
    assert ranked.schema == {
        c.USER_ID: pl.String, c.ITEM_ID: pl.String, c.SCORE: pl.Float64, c.RANK: pl.Int32,
        c.SOURCES: pl.List(pl.String),
    }  # fmt: skip


def test_batches_do_not_show_in_the_result():
    assert rank(A, B).equals(rank(pl.concat([A, B])))


def test_an_empty_batch_ranks_nobody():
    assert rank(A.clear()).is_empty()


def test_a_user_cut_in_two_is_refused():
    with pytest.raises(ContractError, match="'a' is in two batches"):
        rank(A[:1], A[1:])
