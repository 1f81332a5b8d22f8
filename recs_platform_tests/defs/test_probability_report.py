"""What a build tells of its tested lists are the hits that its metrics count.

A second way to the same numbers: `reports.user_metrics` counts them from the lists themselves. Which items have a
probability is tested in `pipeline/test_probabilities`; in a build this small too few were chosen to learn one.
"""

import polars as pl

from recs_platform_tests.homes import Built

USER = ["protocol", "cutoff", "user_id"]


def _frame(built: Built, name: str) -> pl.DataFrame:
    with built.platform.model_run(built.as_of, built.known_at) as run:
        return run.frame(name)


def test_items_that_were_chosen_are_those_that_the_metrics_count(built: Built) -> None:
    k = built.platform.settings.k
    hit = _frame(built, "reports.user_metrics").filter(model="final", metric="hit_rate", k=k, protocol="global")
    listed = _frame(built, "reports.tested_lists").group_by(USER).agg(pl.col("was_chosen").any(), pl.len())
    both = hit.join(listed, on=USER, maintain_order="left")
    assert both.height == hit.height > 0
    assert both["len"].max() == k
    assert (both["value"] > 0).to_list() == both["was_chosen"].to_list()
