# Runs under two interpreters; the packages of the inner one are not those of this project.
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false, reportArgumentType=false
"""RecTools' two-stage model on a log of events, in a virtual environment of its own, as its documentation builds it.

`python -m benchmarks.peers.rectools_two_stage EVENTS.parquet LISTS.parquet --as-of 2024-02-16 [--environment FOLDER]`
makes the environment with pip where there is none, and runs `--inside` with its Python. It leaves with 3 where the
packages cannot be installed, with 4 where the time is up.
"""

import argparse
import subprocess
import sys
import tempfile
import time
import venv
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

PACKAGES = ("rectools==0.19.0", "lightgbm[scikit-learn]>=4,<5", "pyarrow<22")  # which still works with its NumPy
NOT_INSTALLED, TIME_IS_UP = 3, 4
INSTALL_SECONDS = 900
DAYS = 14
CANDIDATES, POPULAR = 100, 50
FACTORS, ITERATIONS, ALPHA = 64, 12, 20.0
K = 10
WEIGHTS = {"click": 1.0, "view": 1.0, "like": 3.0, "cart_add": 3.0, "purchase": 5.0}


def environment(folder: Path) -> Path:
    """The Python of an environment with the packages, made where it is not there. Leaves with NOT_INSTALLED."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    command = [python, "-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES]
    try:
        done = subprocess.run(command, check=False, timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        print(f"rectools: not installed within {INSTALL_SECONDS} s", file=sys.stderr)
        sys.exit(NOT_INSTALLED)
    if done.returncode != 0:
        print(f"rectools: pip could not install {', '.join(PACKAGES)}; see above", file=sys.stderr)
        sys.exit(NOT_INSTALLED)
    return python


def two_stage(events: Path, as_of: datetime, threads: int) -> "pd.DataFrame":
    """Lists of every user with an interaction before the as-of: user_id, item_id, rank."""
    import pandas as pd
    from implicit.als import AlternatingLeastSquares
    from implicit.nearest_neighbours import CosineRecommender
    from lightgbm import LGBMRanker
    from rectools import Columns
    from rectools.dataset import Dataset
    from rectools.model_selection import TimeRangeSplitter
    from rectools.models import ImplicitALSWrapperModel, ImplicitItemKNNWrapperModel, PopularModel
    from rectools.models.ranking import CandidateGenerator, CandidateRankingModel, Reranker
    from threadpoolctl import threadpool_limits

    class LambdaRank(Reranker):
        """The reranker of the documentation for a ranker that wants its queries together."""

        def prepare_fit_kwargs(self, candidates_with_target: "pd.DataFrame") -> dict[str, object]:
            rows = candidates_with_target.sort_values(Columns.User)
            sizes = rows.groupby(Columns.User, sort=True).size().to_numpy()
            features = rows.drop(columns=[*Columns.UserItem, Columns.Target])
            return {"X": features, "y": rows[Columns.Target], "group": sizes}

    log = pd.read_parquet(events, columns=["user_id", "item_id", "event_type", "occurred_at", "value"])
    log = log[(log["occurred_at"] < as_of) & (log["event_type"] != "impression")]
    weight = log["event_type"].map(WEIGHTS).fillna(log["value"].where(log["value"] >= 3, 0) / 5)
    known = pd.DataFrame(
        {
            Columns.User: log["user_id"],
            Columns.Item: log["item_id"],
            Columns.Weight: weight,
            Columns.Datetime: log["occurred_at"].dt.tz_localize(None),
        }
    )
    known = known.groupby([Columns.User, Columns.Item], as_index=False).agg(
        {Columns.Weight: "sum", Columns.Datetime: "max"}
    )
    dataset = Dataset.construct(known)
    als = AlternatingLeastSquares(
        factors=FACTORS, iterations=ITERATIONS, alpha=ALPHA, regularization=0.1, num_threads=threads, random_state=7
    )
    scored = {"keep_ranks": True, "keep_scores": True}
    generators = [
        CandidateGenerator(PopularModel(), POPULAR, keep_ranks=True, keep_scores=True),
        CandidateGenerator(ImplicitALSWrapperModel(als), CANDIDATES, **scored),
        CandidateGenerator(
            ImplicitItemKNNWrapperModel(CosineRecommender(K=50, num_threads=threads)), CANDIDATES, **scored
        ),
    ]
    model = CandidateRankingModel(
        generators,
        TimeRangeSplitter(f"{DAYS}D", n_splits=1, filter_already_seen=True),
        LambdaRank(LGBMRanker(n_estimators=100, learning_rate=0.05, n_jobs=threads, random_state=7, verbose=-1)),
    )
    started = time.monotonic()
    with threadpool_limits(1, "blas"):  # which implicit asks for
        model.fit(dataset)
    print(f"rectools: fitted in {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)
    users = known[Columns.User].unique()
    return model.recommend(users, dataset, k=K, filter_viewed=True)[["user_id", "item_id", "rank"]]


def main() -> None:
    parser = argparse.ArgumentParser(description="RecTools' two-stage model in an environment of its own.")
    parser.add_argument("events", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--as-of", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--environment", type=Path, help="folder of the environment; made where it is not there")
    parser.add_argument("--minutes", type=float, default=30.0, help="time after which it is ended")
    parser.add_argument("--inside", action="store_true", help="this is the environment's Python: fit and recommend")
    options = parser.parse_args()
    if options.inside:
        as_of = datetime.fromisoformat(f"{options.as_of}T00:00:00+00:00")
        two_stage(options.events, as_of, options.threads).to_parquet(options.output)
        return
    with tempfile.TemporaryDirectory(prefix="recs-rectools-") as temporary:
        python = environment(options.environment or Path(temporary))
        same = [options.events, options.output, "--as-of", options.as_of, "--threads", str(options.threads)]
        limit = timedelta(minutes=options.minutes).total_seconds()
        try:
            done = subprocess.run([python, "-I", __file__, *same, "--inside"], check=False, timeout=limit)
        except subprocess.TimeoutExpired:
            print(f"rectools: ended after {options.minutes:g} minutes", file=sys.stderr)
            sys.exit(TIME_IS_UP)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
