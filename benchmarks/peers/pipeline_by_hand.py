# implicit, scipy and lightgbm have no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportArgumentType=false, reportMissingTypeStubs=false, reportUnknownParameterType=false, reportMissingTypeArgument=false
"""What a good engineer would write instead of the platform: one script from a log of events to lists for all users.

Features in DuckDB, three candidate sources (popularity with decay, implicit's ALS, item-kNN), labelled windows in time
order, LightGBM's LambdaRank. It uses nothing of the platform, and is judged in `compare`.

`python -m benchmarks.peers.pipeline_by_hand EVENTS.parquet ITEMS.parquet LISTS.parquet --as-of 2024-02-16`
"""

import argparse
import os
import sys
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import polars as pl
from scipy.sparse import csr_matrix

if TYPE_CHECKING:
    import lightgbm as lgb

HORIZON = timedelta(days=14)
WINDOWS = 3
WINDOW_USERS = 3_000
WINDOW_STEP = timedelta(days=7)
HALF_LIFE_DAYS = 7.0
POPULAR, PERSONAL = 50, 100
FACTORS, ITERATIONS, ALPHA, REGULARIZATION = 64, 12, 20.0, 0.1
NEIGHBOURS = 50
CHUNK_USERS = 10_000
K = 10
LABEL = "label"
KEYS = ["u", "i"]

LOAD = """
create table events as
select users.u, items.i, e.event_type, e.occurred_at,
    case e.event_type
        when 'click' then 1 when 'view' then 1 when 'like' then 3 when 'cart_add' then 3 when 'purchase' then 5
        when 'rating' then case when e.value >= 3 then e.value / 5 else 0 end else 0
    end::float as w,
    e.event_type <> 'impression' as consumed
from read_parquet($events) as e
join users using (user_id)
join items using (item_id)
where e.occurred_at < $as_of
"""
USER_FEATURES = """
select u, count(*)::float as u_events, count(*) filter (consumed)::float as u_consumed,
    count(*) filter (consumed and occurred_at >= $as_of - interval 7 day)::float as u_consumed_7d,
    count(distinct i) filter (consumed)::float as u_items,
    count(*) filter (consumed) / count(*)::float as u_rate,
    date_diff('hour', max(occurred_at), $as_of)::float as u_idle_hours
from events semi join asked using (u) where occurred_at < $as_of group by u
"""
ITEM_FEATURES = """
select i, any_value(items.category) as category, any_value(items.price)::float as i_price,
    date_diff('day', any_value(items.published_at), $as_of)::float as i_age_days,
    count(*)::float as i_events, count(*) filter (consumed)::float as i_consumed,
    count(distinct u) filter (consumed)::float as i_users,
    count(*) filter (consumed and occurred_at >= $as_of - interval 1 day)::float as i_consumed_1d,
    count(*) filter (consumed and occurred_at >= $as_of - interval 7 day)::float as i_consumed_7d,
    (count(*) filter (consumed) + 1) / (count(*) + 5)::float as i_rate
from items left join events using (i) where occurred_at < $as_of or occurred_at is null group by i
"""
TASTES = """
select u, category, count(*)::float as uc_consumed, count(*) / sum(count(*)) over (partition by u)::float as uc_share
from events semi join asked using (u) join items using (i) where occurred_at < $as_of and consumed group by u, category
"""
SHOWN = """
select u, i, count(*)::float as ui_shown, date_diff('hour', max(occurred_at), $as_of)::float as ui_shown_hours
from events semi join asked using (u)
where occurred_at < $as_of and not consumed group by u, i
"""
POSITIVES = """
select distinct u, i from events
where w > 0 and occurred_at >= $as_of and occurred_at < $until
    and u in (select u from events where consumed and occurred_at < $as_of)
"""


@dataclass
class Sources:
    """Three fitted sources as of an instant; `liked`: users x items, their weights; `used`: what they consumed."""

    als: Any
    knn: Any
    liked: Any
    used: Any
    popular: pl.DataFrame


def load(con: duckdb.DuckDBPyConnection, events: Path, items: Path, as_of: datetime) -> None:
    con.execute("set TimeZone = 'UTC'")
    con.execute("set enable_progress_bar = false")
    con.execute(
        "create table items as select *, (row_number() over (order by item_id) - 1)::integer as i "
        "from read_parquet($1)",
        [str(items)],
    )
    con.execute(
        "create table users as select user_id, (row_number() over (order by user_id) - 1)::integer as u "
        "from (select distinct user_id from read_parquet($1) where occurred_at < $2)",
        [str(events), as_of],
    )
    con.execute(LOAD, {"events": str(events), "as_of": as_of})


def fit_sources(con: duckdb.DuckDBPyConnection, as_of: datetime, threads: int) -> Sources:
    from implicit.cpu.als import AlternatingLeastSquares
    from implicit.nearest_neighbours import CosineRecommender

    pairs = con.execute(
        "select u, i, sum(w)::float as w from events where consumed and occurred_at < $1 group by u, i", [as_of]
    ).fetchnumpy()
    used = _matrix(con, pairs["u"], pairs["i"], np.ones(len(pairs["u"]), dtype=np.float32))
    liked = _matrix(con, pairs["u"], pairs["i"], np.asarray(pairs["w"], dtype=np.float32))
    liked.eliminate_zeros()
    als = AlternatingLeastSquares(
        factors=FACTORS, iterations=ITERATIONS, regularization=REGULARIZATION, alpha=ALPHA, random_state=7,
        num_threads=threads,
    )  # fmt: skip
    als.fit(liked, show_progress=False)
    knn = CosineRecommender(K=NEIGHBOURS, num_threads=threads)
    knn.fit(liked, show_progress=False)
    popular = con.execute(
        "select i, sum(w * pow(2, -date_diff('hour', occurred_at, $1) / 24.0 / $2))::float as popularity "
        "from events where w > 0 and occurred_at < $1 group by i order by popularity desc, i",
        [as_of, HALF_LIFE_DAYS],
    ).pl()
    return Sources(als, knn, liked, used, popular.with_row_index("popularity_rank", offset=1))


def _matrix(con: duckdb.DuckDBPyConnection, users: np.ndarray, items: np.ndarray, values: np.ndarray) -> csr_matrix:
    shape = tuple(con.execute("select (select count(*) from users), (select count(*) from items)").fetchall()[0])
    return csr_matrix((values, (users, items)), shape=shape)


def candidates(sources: Sources, users: np.ndarray) -> pl.DataFrame:
    """Pairs of the users with what each source says of them, consumed ones left out."""
    parts: list[pl.DataFrame] = []
    for name, model in (("als", sources.als), ("knn", sources.knn)):
        found, scores = model.recommend(users, sources.liked[users], N=PERSONAL, filter_already_liked_items=True)
        listed = _listed(users, found, scores, name)
        parts.append(listed.filter((pl.col("i") >= 0) & (pl.col(name) > 0)))
    top = sources.popular.head(POPULAR)["i"].to_numpy()
    parts.append(pl.DataFrame({"u": np.repeat(users, len(top)), "i": np.tile(top, len(users))}))
    merged = pl.concat([part.cast({"u": pl.Int32, "i": pl.Int32}) for part in parts], how="diagonal")
    merged = merged.group_by(KEYS).agg(pl.col("als", "als_rank", "knn", "knn_rank").max()).sort(KEYS)
    rows = sources.used[users].tocoo()
    used = pl.DataFrame({"u": users[rows.row], "i": rows.col}).cast({"u": pl.Int32, "i": pl.Int32})
    return merged.join(used, on=KEYS, how="anti").join(sources.popular.cast({"i": pl.Int32}), on="i", how="left")


def _listed(users: np.ndarray, found: np.ndarray, scores: np.ndarray, name: str) -> pl.DataFrame:
    depth = found.shape[1]
    return pl.DataFrame(
        {
            "u": np.repeat(users, depth),
            "i": found.ravel(),
            name: scores.ravel().astype(np.float32),
            f"{name}_rank": np.tile(np.arange(1, depth + 1, dtype=np.float32), len(users)),
        }
    )


class Features:
    """Features as of an instant of the users asked for; those of items are computed once."""

    def __init__(self, con: duckdb.DuckDBPyConnection, as_of: datetime) -> None:
        self._con, self._as_of = con, as_of
        self._items = con.execute(ITEM_FEATURES, {"as_of": as_of}).pl()

    def of(self, pairs: pl.DataFrame, users: np.ndarray) -> pl.DataFrame:
        self._con.register("asked", pl.DataFrame({"u": users}).to_arrow())
        user, taste, shown = (self._con.execute(text, {"as_of": self._as_of}).pl() for text in
                              (USER_FEATURES, TASTES, SHOWN))  # fmt: skip
        self._con.unregister("asked")
        return (
            pairs.join(self._items, on="i", how="left")
            .join(user, on="u", how="left")
            .join(taste, on=["u", "category"], how="left")
            .join(shown, on=KEYS, how="left")
            .drop("category")
        )


def window(con: duckdb.DuckDBPyConnection, cutoff: datetime, threads: int) -> pl.DataFrame:
    """Labelled pairs of users who chose something in the horizon after the cutoff, from what was known before it."""
    positives = con.execute(POSITIVES, {"as_of": cutoff, "until": cutoff + HORIZON}).pl()
    known = positives["u"].unique().sort()
    users = known.sample(min(WINDOW_USERS, len(known)), seed=7).sort().to_numpy()
    pairs = candidates(fit_sources(con, cutoff, threads), users)
    labelled = pairs.join(positives.with_columns(pl.lit(1).alias(LABEL)), on=KEYS, how="left")
    made = Features(con, cutoff).of(labelled.with_columns(pl.col(LABEL).fill_null(0)), users)
    found = made.filter(pl.col(LABEL).max().over("u") == 1)
    return found.with_columns((pl.col("u").cast(pl.Int64) * 2**16 + cutoff.toordinal() % 2**16).alias("query"))


def train(windows: list[pl.DataFrame], threads: int) -> tuple["lgb.Booster", list[str]]:
    """LambdaRank: the number of trees is chosen on the newest window, then all are learned from."""
    import lightgbm as lgb

    names = [name for name in windows[0].columns if name not in {*KEYS, LABEL, "query"}]
    parameters: dict[str, Any] = {
        "objective": "lambdarank", "metric": "ndcg", "eval_at": [K], "learning_rate": 0.05, "num_leaves": 31,
        "min_data_in_leaf": 50, "feature_fraction": 0.8, "lambdarank_truncation_level": 30, "num_threads": threads,
        "seed": 7, "deterministic": True, "verbose": -1,
    }  # fmt: skip

    def dataset(frames: list[pl.DataFrame]) -> lgb.Dataset:
        rows = pl.concat(frames).sort("query")
        sizes = rows.group_by("query", maintain_order=True).len()["len"].to_numpy()
        return lgb.Dataset(_values(rows, names), rows[LABEL].to_numpy(), group=sizes, feature_name=names)

    newest, older = windows[0], windows[1:] or windows
    stop = lgb.early_stopping(30, verbose=False)
    tried = lgb.train(parameters, dataset(older), 400, valid_sets=[dataset([newest])], callbacks=[stop])
    return lgb.train(parameters, dataset(windows), max(20, tried.best_iteration)), names


def _values(rows: pl.DataFrame, names: list[str]) -> np.ndarray:
    return rows.select(pl.col(names).cast(pl.Float32).fill_null(float("nan"))).to_numpy()


def lists(
    con: duckdb.DuckDBPyConnection, as_of: datetime, model: "lgb.Booster", names: list[str], threads: int
) -> pl.DataFrame:
    """The best K items of every user, in blocks of users."""
    sources, features = fit_sources(con, as_of, threads), Features(con, as_of)
    everybody = np.arange(sources.liked.shape[0], dtype=np.int32)
    best: list[pl.DataFrame] = []
    for start in range(0, len(everybody), CHUNK_USERS):
        users = everybody[start : start + CHUNK_USERS]
        pairs = features.of(candidates(sources, users), users)
        scores = model.predict(_values(pairs, names), num_threads=threads)
        ranked = pairs.select(*KEYS, pl.Series("score", scores)).sort(
            ["u", "score", "i"], descending=[False, True, False]
        )
        best.append(
            ranked.with_columns(pl.int_range(1, pl.len() + 1).over("u").alias("rank")).filter(pl.col("rank") <= K)
        )
    ids = {
        name: con.execute(f"select {code}, {name}_id from {name}s").pl()
        for name, code in (("user", "u"), ("item", "i"))
    }
    found = pl.concat(best).join(ids["user"], on="u").join(ids["item"], on="i")
    return found.select("user_id", "item_id", "rank", "score").sort("user_id", "rank")


def main() -> None:
    parser = argparse.ArgumentParser(description="A hand-written two-stage recommender on a log of events.")
    parser.add_argument("events", type=Path)
    parser.add_argument("items", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--as-of", type=lambda text: datetime.fromisoformat(f"{text}T00:00:00+00:00"), required=True)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    from threadpoolctl import threadpool_limits

    # OpenMP threads that spin while they wait slow each other down on a busy machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    started = time.monotonic()

    def lap(what: str) -> None:
        print(f"by hand: {time.monotonic() - started:7.1f} s  {what}", file=sys.stderr, flush=True)

    import implicit  # noqa: F401  # pyright: ignore[reportUnusedImport] - brings the BLAS that is held below

    with threadpool_limits(1, "blas"), duckdb.connect() as con:  # which implicit asks for
        con.execute(f"set threads = {options.threads}")
        load(con, options.events, options.items, options.as_of)
        lap("loaded")
        cutoffs = [options.as_of - HORIZON - number * WINDOW_STEP for number in range(WINDOWS)]
        windows: list[pl.DataFrame] = []
        for cutoff in cutoffs:
            windows.append(window(con, cutoff, options.threads))
            lap(f"window {cutoff:%Y-%m-%d}: {windows[-1].height:,} pairs")
        model, names = train(windows, options.threads)
        lap(f"trained, {model.num_trees()} trees")
        made = lists(con, options.as_of, model, names, options.threads)
        lap(f"lists for {made['user_id'].n_unique():,} users")
    made.write_parquet(options.output)


if __name__ == "__main__":
    main()
