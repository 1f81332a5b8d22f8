"""A release's reports in one line each: quality against popularity and the best source, and the verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recs_platform.contracts import columns as c
from recs_platform.contracts.counted import counted
from recs_platform.stages.reports.offline import OfflineConfig
from recs_platform.stages.reports.offline_names import EVERYONE, FINAL, NDCG, POPULARITY, chosen_protocol
from recs_platform.stages.reports.verdicts import SEVERITY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

BEST_SOURCE = "best_source"
RERANKED = "best_source_reranked"
_HELD_OUT = {"global": "rolling windows of {}", "per_user": "each user's last events"}
_NAMES_SHOWN = 4


def quality(metrics: pl.DataFrame, contenders: pl.DataFrame | None = None) -> dict[str, Any] | None:
    """NDCG of the final lists, of popularity and of the best source, with intervals; None where nothing was measured.

    `metrics` are rows of reports.offline_metrics of one as-of. The protocol is that of reports with one
    number. A model that was not measured is None; the best source is the highest mean, ties by name. `contenders` are
    rows of ranking.contenders: `best_source_reranked` is what the best source alone comes to through re-ranking.
    """
    import polars as pl

    ndcg = metrics.filter((pl.col(c.METRIC) == NDCG) & (pl.col(c.SEGMENT) == EVERYONE) & pl.col(c.VALUE).is_not_null())
    is_reported = pl.col(c.PROTOCOL).is_in([chosen_protocol(ndcg)])
    reported = ndcg.filter(is_reported).sort(c.VALUE, c.MODEL, descending=[True, False])
    by_model = {row[c.MODEL]: row for row in reported.iter_rows(named=True)}
    final = by_model.get(FINAL)
    if final is None:
        return None
    best = next((row for model, row in by_model.items() if model != FINAL), None)
    return {
        **{name: final[name] for name in (c.METRIC, c.K, c.PROTOCOL, c.HORIZON_DAYS, c.N_WINDOWS, c.N_USERS)},
        FINAL: _measured(final),
        POPULARITY: _measured(by_model.get(POPULARITY)),
        BEST_SOURCE: _measured(best),
        RERANKED: None if best is None or contenders is None else _reranked(contenders, best[c.MODEL]),
    }


def _reranked(contenders: pl.DataFrame, source: str) -> dict[str, Any] | None:
    """NDCG of a source as a contender, everybody's, with the user windows of its trials; None where it was untried."""
    import polars as pl

    of_all = pl.col(c.HISTORY_GROUP) == EVERYONE
    tried = contenders.filter(of_all, pl.col(c.CONTENDER) == source, pl.col(c.NDCG).is_not_null())
    return None if tried.is_empty() else {c.VALUE: tried[c.NDCG][0], c.N_USERS: tried[c.N_USERS][0]}


def _measured(row: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if row is None else {name: row[name] for name in (c.MODEL, c.VALUE, c.CI_LOW, c.CI_HIGH)}


def quality_sentence(found: Mapping[str, Any], users_min: int = OfflineConfig().users_min) -> str:
    """The same in words; fewer held-out user windows than `users_min` are named as too few."""
    final, popularity, best = (found[name] for name in (FINAL, POPULARITY, BEST_SOURCE))
    parts = [f"NDCG@{found[c.K]} of the final lists {_number(final)}"]
    parts += [f"popularity {_beside(popularity, final)}"] if popularity else []
    if best and best[c.MODEL] == POPULARITY:
        parts.append(f"which is the best source{_cost(found)}")
    elif best:
        parts.append(f"best source {best[c.MODEL]} {_beside(best, final)}{_cost(found)}")
    protocol: str = found[c.PROTOCOL]
    how = _HELD_OUT.get(protocol, protocol).format(counted(found[c.HORIZON_DAYS], "day"))
    few = f", fewer than {users_min}, too few to compare" if found[c.N_USERS] < users_min else ""
    return f"{', '.join(parts)}; {counted(found[c.N_USERS], 'user window')}{few}, held out: {how}"


def _cost(found: Mapping[str, Any]) -> str:
    """Which step lost what, where final lists are below those of the best source and the source was tried by itself."""
    final, best, tried = (found[name] for name in (FINAL, BEST_SOURCE, RERANKED))
    if tried is None or final[c.VALUE] >= best[c.VALUE]:
        return ""
    rules, order = tried[c.VALUE] - best[c.VALUE], final[c.VALUE] - tried[c.VALUE]
    trials = "" if tried[c.N_USERS] == found[c.N_USERS] else f", by trials of {tried[c.N_USERS]} user windows"
    return (
        f" (of the difference {_signed(rules)} come with re-ranking: {best[c.MODEL]} alone has "
        f"{_short(tried[c.VALUE])} after the rules{trials}; {_signed(order)} with the order of candidates)"
    )


def _signed(value: float) -> str:
    return f"{'-' if value < 0 else '+'}{_short(abs(value))}"


def verdict_counts(verdicts: pl.DataFrame) -> dict[str, int]:
    """How many judgements came to each verdict, most severe last; rows of reports.verdicts of one as-of."""
    given: Sequence[str] = verdicts[c.VERDICT].to_list()
    return {verdict: given.count(verdict) for verdict in SEVERITY}


def verdict_sentence(verdicts: pl.DataFrame) -> str:
    """Counts, then the names of what did not pass, gravest first."""
    counts = verdict_counts(verdicts)
    names = [f"{verdict}: {_names(verdicts, verdict)}" for verdict in reversed(SEVERITY[1:]) if counts[verdict]]
    return "; ".join([", ".join(f"{count} {verdict}" for verdict, count in counts.items()), *names])


def _names(verdicts: pl.DataFrame, verdict: str) -> str:
    import polars as pl

    found = verdicts.filter(pl.col(c.VERDICT) == verdict).select(c.REPORT, c.SUBJECT).sort(c.REPORT, c.SUBJECT)
    return shortened([f"{report} {subject}" for report, subject in found.iter_rows()], _NAMES_SHOWN, ", ")


def shortened(names: Sequence[str], most: int, between: str) -> str:
    """The first `most`, and how many more there are.

    >>> shortened(["a", "b", "c"], 2, ", "), shortened(["a", "b"], 2, ", ")
    ('a, b and 1 more', 'a, b')
    """
    rest = len(names) - most
    return between.join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def _beside(row: Mapping[str, Any], final: Mapping[str, Any]) -> str:
    """A model's number, and how many times it the final lists come to."""
    if not row[c.VALUE]:
        return _number(row)
    times = final[c.VALUE] / row[c.VALUE]
    # A twentieth more is a gain to tell, and no gain at one place.
    shown = f"{times:.1f}" if f"{times:.2f}" == "1.00" or f"{times:.1f}" != "1.0" else f"{times:.2f}"
    return f"{_number(row)} ({shown} times)"


def _number(row: Mapping[str, Any]) -> str:
    low, high = row[c.CI_LOW], row[c.CI_HIGH]
    return _short(row[c.VALUE]) + ("" if low is None else f" [{_short(low)}, {_short(high)}]")


def _short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")
