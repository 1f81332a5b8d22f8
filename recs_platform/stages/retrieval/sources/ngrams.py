"""What came next after the user's last two items, or the last one. `vs_knn` compares whole sessions."""

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sessions import Sessions, spans, split_sessions
from recs_platform.stages.retrieval.sources.base import Fitted, SourceConfig, SourceLists
from recs_platform.stages.retrieval.sources.history import retrieve_through
from recs_platform.stages.retrieval.sparse import SparseRows, from_sorted_pairs, sum_pairs


class NGramsConfig(SourceConfig):
    """Shares of what came next, of two items before it mixed with those of one (as in MacKay & Peto 1995)."""

    gap_minutes: Annotated[
        float | None, Field(gt=0, le=1e6, description="a longer pause ends a session; none: a user is one session")
    ] = None
    smoothing: Annotated[
        float,
        Field(ge=0, le=1e6, description="times a context must have been seen to count as much as the shorter one"),
    ] = 40.0
    rules: Annotated[int, Field(ge=1, le=5000, description="next items kept for each context; bounds time")] = 500
    history: Annotated[int, Field(ge=1, le=1000, description="latest items of a user that are contexts")] = 50
    decay: Annotated[float, Field(gt=0, le=1, description="weight of a context against the one after it")] = 0.8


@dataclass(frozen=True, eq=False)
class NGramModel:
    """Shares by context: row i of `rules` (contexts by items) is item i alone, row n_items + p is `pairs[p]`.

    `pairs`: int64, ascending, first item * n_items + second item. `back_off`: float64 (n_pairs,), weight of the second
    item alone in the mixture. `sessions`: where the contexts of a user are found.
    """

    sessions: Sessions
    pairs: NDArray[np.int64]
    back_off: NDArray[np.float64]
    rules: SparseRows


@dataclass(frozen=True)
class NGrams:
    """Sum over the user's latest items of decay ** position * P(item | the two items there), see `fit_ngrams`."""

    name: str = "ngrams"
    config: NGramsConfig = field(default_factory=NGramsConfig)

    def retrieve(self, fit: Fitted, targets: NDArray[np.int32], n: int) -> SourceLists:
        """See Source. Users whose latest items nobody went on from get no entry."""
        model = fit.prepared(self, lambda: fit_ngrams(fit.problem, self.config))
        contexts = latest_contexts(model, targets, self.config)
        return retrieve_through(fit, model.rules, contexts, targets, n)


def fit_ngrams(problem: RetrievalProblem, config: NGramsConfig) -> NGramModel:
    """P(z | x, y) = (n(x, y, z) + s * P(z | y)) / (n(x, y, .) + s) and P(z | y) = n(y, z) / (n(y, .) + s).

    n counts runs of items within sessions, s is the smoothing. A pair never followed by anything has s / s = 1 as
    weight of P(z | y). Memory and time grow with the interactions, not with the items.
    """
    sessions = split_sessions(problem, gap_minutes=config.gap_minutes)
    steps, session_of, n_items = sessions.items.astype(np.int64), sessions.session_of, problem.n_items
    two = np.flatnonzero(session_of[1:] == session_of[:-1])
    singles = _shares(steps[two], steps[two + 1], n_items, n_items, config)
    three = np.flatnonzero(session_of[2:] == session_of[:-2])
    keys = steps[three] * n_items + steps[three + 1]
    pairs, totals = _counted(keys)
    doubles = _shares(np.searchsorted(pairs, keys), steps[three + 2], len(pairs), n_items, config)
    back_off = (config.smoothing / (totals + config.smoothing)).astype(np.float64)
    return NGramModel(sessions, pairs, back_off, _stacked(singles, doubles))


def latest_contexts(model: NGramModel, targets: NDArray[np.int32], config: NGramsConfig) -> SparseRows:
    """Targets by contexts: decay ** position, 0 = the latest, for the last `history` steps of each target.

    Where the pair that ends at a step is known, its own row and the item's share that weight.
    """
    n_items = model.rules.n_columns
    rows, ends, weights = _latest_steps(model.sessions, targets, config)
    items, session_of = model.sessions.items.astype(np.int64), model.sessions.session_of
    paired = (ends > 0) & (session_of[ends - 1] == session_of[ends])
    keys = np.where(paired, items[ends - 1] * n_items + items[ends], -1)
    codes = np.searchsorted(model.pairs, keys)
    known = np.append(model.pairs, -2)[codes] == keys
    left = np.where(known, np.append(model.back_off, 1.0)[codes], 1.0)
    return sum_pairs(
        np.concatenate([rows, rows[known]]),
        np.concatenate([items[ends], n_items + codes[known]]),
        np.concatenate([weights * left, weights[known]]),
        (len(targets), model.rules.n_rows),
    )


def _latest_steps(
    sessions: Sessions, targets: NDArray[np.int32], config: NGramsConfig
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Row of `targets`, position among all steps and weight of the last `history` steps of each."""
    firsts, ends = (sessions.starts[np.searchsorted(sessions.users, targets, side=side)] for side in ("left", "right"))
    lengths = np.minimum(ends - firsts, config.history)
    chosen = spans(ends - lengths, lengths)
    rows = np.repeat(np.arange(len(targets)), lengths)
    return rows, chosen, np.power(config.decay, (ends[rows] - 1 - chosen).astype(np.float64))


def _shares(
    contexts: NDArray[np.int64], after: NDArray[np.int64], n_contexts: int, n_items: int, config: NGramsConfig
) -> SparseRows:
    """Contexts by items: times the item came next over (times any did + smoothing); the `rules` greatest of a row."""
    keys, counts = _counted(contexts * n_items + after)
    rows, items = np.divmod(keys, max(n_items, 1))
    order = np.lexsort((items, -counts, rows))
    starts = np.searchsorted(rows, rows)
    kept = np.sort(order[np.arange(len(rows)) - starts < config.rules])
    totals = np.bincount(rows, weights=counts, minlength=n_contexts)
    shares = counts / (totals[rows] + config.smoothing)
    return from_sorted_pairs(
        rows[kept], items[kept].astype(np.int32), shares[kept].astype(np.float32), (n_contexts, n_items)
    )


def _counted(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Distinct keys, ascending, and how often each comes; by one sort of plain integers."""
    ordered = np.sort(keys)
    firsts = np.flatnonzero(np.diff(ordered, prepend=-1))
    return ordered[firsts], np.diff(np.append(firsts, len(ordered)))


def _stacked(above: SparseRows, below: SparseRows) -> SparseRows:
    return SparseRows(
        np.concatenate([above.starts, above.starts[-1] + below.starts[1:]]),
        np.concatenate([above.columns, below.columns]),
        np.concatenate([above.values, below.values]),
        above.n_columns,
    )
