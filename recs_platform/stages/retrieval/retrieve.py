"""Lists of each source for some users, warm and cold, as the config says of them. They are merged in `merge`."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from recs_platform.stages.retrieval.fit import RetrievalFit
from recs_platform.stages.retrieval.merge import distinct_pairs
from recs_platform.stages.retrieval.sources.base import Source, SourceLists
from recs_platform.stages.retrieval.user_policies import is_cold, leave_out

_NO_LISTS = SourceLists(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32))


def retrieve_lists(fit: RetrievalFit, targets: NDArray[np.int32], n: int) -> dict[str, SourceLists]:
    """At most `n` items of a source for each of `targets` (distinct user codes, ascending), by source.

    Warm users are offered items of the enabled sources, cold ones as the ColdPlan says; nobody is offered what the plan
    of the user's segment leaves out, nor what may not be offered in the user's region. Every source that either could
    be offered has lists, if empty ones. The lists of a user depend on that user alone, and on `n`.
    """
    parts = [_lists_in_region(view, members, n) for view, members in fit.by_region_group(targets)]
    if len(parts) == 1:
        return parts[0]
    return {name: joined_by_user([part[name] for part in parts]) for name in parts[0]}


def retrieve_source(fit: RetrievalFit, source: Source, targets: NDArray[np.int32], n: int) -> SourceLists:
    """At most `n` items of one source for each of `targets`, in whichever segment they are, warm or cold."""
    parts: list[SourceLists] = []
    for view, members in fit.by_region_group(targets):
        parts.append(source.retrieve(view, members, n))
    return joined_by_user(parts)


def joined_by_user(parts: Sequence[SourceLists]) -> SourceLists:
    """One source's lists of different users as one, sorted by user, each list as it was."""
    users, items, scores = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("users", "items", "scores")
    )
    order = np.argsort(users, kind="stable")
    return SourceLists(users[order], items[order], scores[order])


def _lists_in_region(fit: RetrievalFit, targets: NDArray[np.int32], n: int) -> dict[str, SourceLists]:
    cold = is_cold(fit.problem, fit.config)[targets]
    warm = _retrieved(fit, fit.config.configured_sources(), targets[~cold], n)
    cold_lists = _for_cold_users(fit, targets[cold], n)
    names = [name for name in fit.config.sources if name in warm or name in cold_lists]
    return {name: joined_by_user([part[name] for part in (warm, cold_lists) if name in part]) for name in names}


def _for_cold_users(fit: RetrievalFit, targets: NDArray[np.int32], n: int) -> dict[str, SourceLists]:
    """Lists of cold users: those of a group only where the groups before it offer fewer than `n` distinct items."""
    lists: dict[str, SourceLists] = {}
    pending = targets
    for group in fit.config.cold_groups(own_vectors=fit.problem.vectors.shape[1] > 0):
        lists |= _retrieved(fit, group, pending, n)
        offered = np.bincount(
            distinct_pairs(fit.problem, lists) // max(fit.problem.n_items, 1), minlength=fit.problem.n_users
        )
        pending = pending[offered[pending] < n]
    return lists


def _retrieved(
    fit: RetrievalFit, sources: Iterable[Source], targets: NDArray[np.int32], n: int
) -> dict[str, SourceLists]:
    if not len(targets):  # spares what sources fit when first asked
        return {source.name: _NO_LISTS for source in sources}
    lists: dict[str, SourceLists] = {}
    for source in sources:
        with fit.clock.measured(source.name):
            lists[source.name] = source.retrieve(fit, targets, n)
    return leave_out(fit.problem, fit.config, lists)
