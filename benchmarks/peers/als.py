# implicit has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Plain ALS by implicit, as its manual shows it: the floor for a recommender on a split. The platform's is not used."""

from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.timing import timed
from recs_platform.contracts import columns as c
from recs_platform.evaluation.metrics import user_metrics


def als_lists(train: Path, test: Path, k: int, threads: int) -> tuple[float, float]:
    """Seconds to fit on `train` and list `k` items for each user of `test`, and the mean recall of the lists."""
    from implicit.cpu.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits

    pairs, held_out = pl.read_parquet(train), pl.read_parquet(test).select(c.USER_ID, c.ITEM_ID)
    users, items = (pairs[name].unique().sort() for name in (c.USER_ID, c.ITEM_ID))
    codes = [ids.search_sorted(pairs[ids.name]).to_numpy() for ids in (users, items)]
    liked = csr_matrix((np.ones(len(pairs), dtype=np.float32), (codes[0], codes[1])), (len(users), len(items)))
    asked = users.filter(users.is_in(held_out[c.USER_ID].implode()))
    rows = users.search_sorted(asked).to_numpy()

    def run() -> np.ndarray[tuple[int, int], np.dtype[np.int32]]:
        model = AlternatingLeastSquares(num_threads=threads, random_state=0)
        model.fit(liked, show_progress=False)
        return model.recommend(rows, liked[rows], N=k)[0]

    with threadpool_limits(1, "blas"):  # which implicit asks for
        seconds, found = timed(run)
    lists = pl.DataFrame(
        {
            c.USER_ID: asked.gather(np.repeat(np.arange(len(asked)), k)),
            c.ITEM_ID: items.gather(found.ravel()),
            c.RANK: np.tile(np.arange(1, k + 1), len(asked)),
        }
    )
    metrics = user_metrics(lists, held_out, k).filter(pl.col(c.METRIC) == "recall")
    return seconds, float(metrics[c.VALUE].to_numpy().mean())
