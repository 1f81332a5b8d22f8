"""What listed rows' scores are made of, of the built home: exact, and only of rows that the ranker scored."""

from pathlib import Path

import polars as pl

from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.contributions import write_score_parts
from recs_platform.pipeline.lists.lists import make_lists
from recs_platform_tests.homes import Built, copy_home

KEPT = 4


def test_parts_of_listed_rows_sum_to_their_scores(built: Built, tmp_path: Path) -> None:
    platform = copy_home(built.platform, tmp_path / "home", lists={"contributions_kept": KEPT})
    run = AsOfRun(platform, built.as_of, built.known_at)
    try:
        written = write_score_parts(run)
        with run.models() as models:
            parts = models.frame("recommendations.score_parts")
            lists = models.frame("recommendations.lists")
            ranked = models.frame("ranking.ranked")
    finally:
        run.close()
    key = ["user_id", "item_id"]
    scored = lists.filter(~pl.col("is_holdout")).join(ranked, on=key, how="semi")
    assert written.rows == parts.height == scored.height
    assert parts.height
    assert sorted(parts.select(*key, "rank").rows()) == sorted(scored.select(*key, "rank").rows())
    stored = parts.join(ranked, on=key, suffix="_ranked")
    off = stored["contributions"].list.sum() + stored["rest"] - stored["score_ranked"]
    assert off.abs().max() < 1e-9
    assert parts["parts"].list.len().max() <= KEPT
    sizes = parts["contributions"].list.eval(pl.element().abs())
    assert (sizes == sizes.list.sort(descending=True)).all()


def test_replaying_the_rules_on_the_stored_ranking_gives_the_stored_lists(built: Built) -> None:
    run = AsOfRun(built.platform, built.as_of, built.known_at)
    try:
        again = make_lists(run)
        with run.models() as models:
            stored = models.frame("recommendations.lists").sort("user_id", "rank")
            ranked = models.frame("ranking.ranked")
    finally:
        run.close()
    assert again.lists.select("user_id", "rank", "item_id").equals(stored.select("user_id", "rank", "item_id"))
    # A place is the ranker's, but for what a rule moved or put in: scores fall with it, as in the ranking.
    known = stored.join(ranked, on=["user_id", "item_id"], suffix="_ranked", maintain_order="left")
    assert known.height > stored.height / 2
    assert (known["score"] - known["score_ranked"]).abs().max() < 1e-9
