"""Off-policy estimates against a known truth: one logging policy's value from the other's log (Open Bandit, both kept).

    python -m benchmarks.off_policy FOLDER    with random/men/men.csv.gz, bts/men/men.csv.gz and the same of women

The target is the other policy's chance of each item at each place, its mean propensity in its own log; the truth is the
mean of its own clicks. Bernoulli Thompson sampling learned on, so its chances vary a little within the log.
"""

import sys
from pathlib import Path

import numpy as np
import polars as pl

from recs_platform.evaluation import off_policy

POLICIES, CAMPAIGNS = ("random", "bts"), ("men", "women")
USER = ["user_feature_0", "user_feature_1", "user_feature_2", "user_feature_3"]


def read(folder: Path, policy: str, campaign: str) -> pl.DataFrame:
    """Rows of one log: user, item, place, chance, click."""
    rows = pl.read_csv(folder / policy / campaign / f"{campaign}.csv.gz")
    return rows.select(
        pl.concat_str(USER, separator="|").rank("dense").cast(pl.Int64).sub(1).alias("user"),
        pl.col("item_id").cast(pl.Int64).alias("item"),
        pl.col("position").cast(pl.Int64).sub(1).alias("place"),
        pl.col("propensity_score").alias("chance"),
        pl.col("click").cast(pl.Float64),
    )


def hold(log: pl.DataFrame, other: pl.DataFrame) -> tuple[off_policy.LoggedRewards, off_policy.Expectation]:
    """A log held against the policy of the other: at each place the other's chances, brought to a sum of 1."""
    chances = other.group_by("place", "item").agg(pl.col("chance").mean()).sort("place", "item")
    chances = chances.with_columns(pl.col("chance") / pl.col("chance").sum().over("place"))
    shown = set(log["item"].to_list())
    items = np.array([item if item in shown else -1 for item in chances["item"].to_list()], dtype=np.int64)
    place = log["place"].to_numpy()
    rows = off_policy.ShownItems(
        np.arange(log.height), log["item"].to_numpy(), log["click"].to_numpy(), log["chance"].to_numpy(),
        log["user"].to_numpy(), place,
    )  # fmt: skip
    target = off_policy.TargetPolicy(chances["place"].to_numpy(), items, chances["chance"].to_numpy(), place)
    return off_policy.hold_against(rows, target, seed=0)


def main(folder: Path) -> None:
    """A block a campaign and direction."""
    for campaign in CAMPAIGNS:
        logs = {policy: read(folder, policy, campaign) for policy in POLICIES}
        for one, other in (POLICIES, POLICIES[::-1]):
            held = hold(logs[one], logs[other])
            overlap = off_policy.judge_overlap(held[0])
            truth = off_policy.logged_value(hold(logs[other], logs[other])[0])
            print(f"{campaign}: value of {other} from the log of {one}; its own log says "
                  f"{truth.value:.5f} ({truth.low:.5f} to {truth.high:.5f})")  # fmt: skip
            for each in off_policy.estimate_all(*held):
                print(
                    f"  {each.estimator:14} {each.value:.5f} ({each.low:.5f} to {each.high:.5f})  ess {each.ess:,.0f}"
                )
            print(f"  {overlap.verdict} {'; '.join(overlap.lacks)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
