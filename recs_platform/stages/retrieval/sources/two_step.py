"""Items two transitions away from the user's latest items, beside those one away."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.base import Fitted, SourceLists
from recs_platform.stages.retrieval.sources.history import latest_items, retrieve_through, row_ranges, strongest
from recs_platform.stages.retrieval.sources.transitions import TransitionsConfig, fit_transitions
from recs_platform.stages.retrieval.sparse import SparseRows, product

# Multiplications in one block of rows: their product stays below about 200 MB.
_BLOCK_COST = 8_000_000


class TwoStepConfig(TransitionsConfig):
    """A walk over the rules of `transitions`, whose fields count here too; `rules` bounds what is kept of the walk."""

    smoothing: Annotated[float, Field(ge=0, le=1e6, description="added to a row's total: few rules are less sure")] = (
        20.0
    )
    step_rules: Annotated[int, Field(ge=1, le=1000, description="followed from an item; time grows as its square")] = 50
    theta: Annotated[float, Field(ge=0, le=10, description="weight of two steps against one")] = 2.0


@dataclass(frozen=True)
class TwoStep:
    """Sum over the user's latest items of decay ** position * (T + theta T T), T the rules of `transitions`."""

    name: str = "two_step"
    config: TwoStepConfig = field(default_factory=TwoStepConfig)

    def retrieve(self, fit: Fitted, targets: NDArray[np.int32], n: int) -> SourceLists:
        """See Source. Users without a positive get no entry."""
        walk = fit.prepared(self, lambda: fit_walk(fit.problem, self.config))
        history = latest_items(fit.problem, targets, self.config.history, self.config.decay)
        return retrieve_through(fit, walk, history, targets, n)


def fit_walk(problem: RetrievalProblem, config: TwoStepConfig) -> SparseRows:
    """Items by items: T + theta T T, without walks back to where they began; T is `fit_transitions`.

    T holds the `step_rules` greatest rules of a row; of the walk the `rules` greatest of a row are kept, the greatest
    first. Made in blocks of rows, never whole.
    """
    rules = fit_transitions(problem, config.model_copy(update={"rules": config.step_rules}))
    return strongest(_walks(rules, config.theta), config.rules, problem.n_items)


def _walks(rules: SparseRows, theta: float) -> Iterator[SparseRows]:
    """Blocks of T + theta T T = (I + theta T) T, rows in order."""
    first = _stay_or_step(rules, theta)
    cumulated = np.concatenate([[0], np.cumsum(rules.lengths[first.columns])])
    for low, high in row_ranges(np.diff(cumulated[first.starts]), _BLOCK_COST):
        rows = np.arange(low, high)
        walks = product(first.take(rows), rules)
        home = walks.columns == rows[walks.rows]
        yield SparseRows(walks.starts, walks.columns, np.where(home, np.float32(0), walks.values), walks.n_columns)


def _stay_or_step(rules: SparseRows, theta: float) -> SparseRows:
    """I + theta T: no rule leads from an item to itself, so each row gets one more value, which comes first."""
    begins = rules.starts[:-1]
    return SparseRows(
        rules.starts + np.arange(rules.n_rows + 1),
        np.insert(rules.columns, begins, np.arange(rules.n_rows, dtype=np.int32)),
        np.insert(rules.values * np.float32(theta), begins, np.float32(1)),
        rules.n_columns,
    )
