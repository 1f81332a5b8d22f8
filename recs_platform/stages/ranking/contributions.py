"""What scores are made of: parts that add up to a score exactly, of which the largest are kept.

Of the ranker alone the parts are its features (TreeSHAP) and the mean of its forest; of a blend the two orders that it
adds, for the order of a forest's scores is no sum over features. Single rows are explained in `ranker`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.stages.ranking.blending import RECIPROCAL_OFFSET
from recs_platform.stages.ranking.contenders import Contender
from recs_platform.stages.ranking.forest_library import forest_contributions
from recs_platform.stages.ranking.ranker import Ranker, feature_matrix

MEAN, RANKER_ORDER = "mean", "order of the ranker"


def order_of(source: str) -> str:
    """Name of the part that a source's order adds to a blend."""
    return f"order of {source}"


@dataclass(frozen=True, eq=False)
class Parts:
    """Names of parts, and float64 (n, parts): what each adds to the score of each row; rows sum to the scores."""

    names: tuple[str, ...]
    values: NDArray[np.float64]

    def largest(self, count: int) -> pl.DataFrame:
        """A row a row: `parts` (List of names, the largest effect first, ties in order), their `contributions`, `rest`.

        `rest` is the sum of all the others; contributions and rest sum to the score.
        """
        kept = min(count, len(self.names))
        order = np.argsort(-np.abs(self.values), axis=1, kind="stable")[:, :kept]
        values = np.take_along_axis(self.values, order, axis=1)
        rest = self.values.sum(axis=1) - values.sum(axis=1)
        names = pl.Series(self.names, dtype=pl.String).gather(order.ravel())
        offsets = {c.PARTS: names, c.CONTRIBUTIONS: values.ravel()}
        row = np.repeat(np.arange(len(values)), kept)
        lists = pl.DataFrame(offsets).with_columns(pl.Series("_row", row)).group_by("_row", maintain_order=True)
        return lists.agg(pl.all()).drop("_row").with_columns(pl.Series(c.REST, rest))


def score_parts(
    rows: pl.DataFrame, ranker: Ranker, contender: Contender, scores: NDArray[np.float64], *, threads: int
) -> Parts:
    """Parts of the scores (n,) that a contender gave `rows` (features, and the rank by the contender's source)."""
    is_forest = ranker.kind == "lightgbm" and not ranker.fusion_weight
    if contender.is_ranker and is_forest:
        values = forest_contributions(ranker.booster_text, feature_matrix(rows, ranker.feature_set), threads=threads)
        return Parts((*ranker.feature_set_names, MEAN), values)
    if contender.is_ranker or not contender.model_share or contender.source is None:
        return Parts((contender.name,), scores[:, None])
    ranks = rows[c.source_rank(contender.source)].fill_null(0).cast(pl.Int64).to_numpy()
    other = (1 - contender.model_share) * np.where(ranks > 0, 1.0 / (RECIPROCAL_OFFSET + ranks), 0.0)
    # What the merge adds where orders tie is a millionth, and goes with the ranker's.
    return Parts((RANKER_ORDER, order_of(contender.source)), np.column_stack([scores - other, other]))


def parts_of_groups(
    rows: pl.DataFrame, ranker: Ranker, contenders: Sequence[Contender], *, kept: int, threads: int
) -> pl.DataFrame:
    """`user_id`, `item_id`, `score`, `parts`, `contributions`, `rest` of rows whose `score` `contenders[n]` gave."""
    found: list[pl.DataFrame] = []
    names = pl.Series([each.name for each in contenders], dtype=pl.String)
    for contender in dict.fromkeys(contenders):
        theirs = rows.filter(names == contender.name)
        scores = theirs[c.SCORE].to_numpy()
        parts = score_parts(theirs, ranker, contender, scores, threads=threads).largest(kept)
        found.append(pl.concat([theirs.select(c.USER_ID, c.ITEM_ID, c.SCORE), parts], how="horizontal"))
    return pl.concat(found) if found else pl.DataFrame()
