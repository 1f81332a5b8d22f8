"""Matches for the gate: lists of challenger and champion, or of popularity, at the same past cutoffs.

How they are judged is in `stages.ranking.gate`, what follows in `champion`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.time import parse_instant
from recs_platform.evaluation.list_metrics import PER_LIST, Shown
from recs_platform.evaluation.metrics import user_metrics
from recs_platform.lake.artifacts import artifact
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.training.rankers import BASIS, ranker_basis
from recs_platform.pipeline.training.recipes import ranker_at
from recs_platform.pipeline.training.schedule import TrainingSchedule
from recs_platform.pipeline.training.splits import Split
from recs_platform.pipeline.training.trials import lists_of, try_contenders
from recs_platform.pipeline.training.window_cache import WindowCache
from recs_platform.pipeline.training.windows import IS_KNOWN_ITEM, Window, read_window
from recs_platform.stages import ranking

POPULARITY = "popularity"
SEGMENTS = "segments.user_segments"

_PAIR = [c.CUTOFF, c.USER_ID, c.METRIC]
_SCHEMA = {
    c.CUTOFF: pl.Datetime("us", "UTC"), c.USER_ID: pl.String, c.METRIC: pl.String,
    c.CHALLENGER: pl.Float64, c.OPPONENT: pl.Float64,
}  # fmt: skip


def match_popularity(
    windows: WindowCache, schedule: TrainingSchedule, progress: Callable[[str], None]
) -> ranking.Match:
    """Today's ranker alone against tuned popularity, at the trials of contenders."""
    run = windows.run
    tried = try_contenders(windows, schedule, run.as_of, ranker_basis(run), progress)
    sides = (
        tried.filter(pl.col(c.CONTENDER) == name).select(*_PAIR, pl.col(c.VALUE).alias(side))
        for name, side in ((ranking.RANKER_ALONE, c.CHALLENGER), (POPULARITY, c.OPPONENT))
    )
    challenger, opponent = sides
    return ranking.Match(_with_segments(run, challenger.join(opponent, on=_PAIR)), {})


def match_rankers(
    windows: WindowCache,
    schedule: TrainingSchedule,
    challenger: Manifest,
    champion: Manifest,
    progress: Callable[[str], None],
) -> ranking.Match:
    """Two recipes at each trial before the as-of where both had a ranker by then; one recipe's own rankers as they are.

    Where both are of one recipe, each is tried where its labels had ended, with no stand-in.
    """
    run = windows.run
    bouts: list[_Bout] = []
    for split in schedule.trials_before(run.as_of):
        ours, theirs = _rivals(windows, schedule, split, challenger, champion)
        if ours is None or theirs is None:
            progress(f"no match at {split.cutoff:%Y-%m-%d}: one of them had no ranker by then")
            continue
        bouts.append(_fight(windows, split, ours, theirs))
        progress(f"match at {split.cutoff:%Y-%m-%d}: {ours.version[:8]} against {theirs.version[:8]}")
    users = pl.concat([pl.DataFrame(schema=_SCHEMA), *(bout.users for bout in bouts)])
    return ranking.Match(_with_segments(run, users), _mean_lists(bouts), bouts[0].cost if bouts else None)


def _rivals(
    windows: WindowCache, schedule: TrainingSchedule, split: Split, challenger: Manifest, champion: Manifest
) -> tuple[Manifest | None, Manifest | None]:
    """Who could have served at the split's cutoff on either side."""
    ours, theirs = (str(manifest.parameters[BASIS]) for manifest in (challenger, champion))
    if ours == theirs:
        ended = [parse_instant(manifest.parameters[ranking.LABELS_END]) for manifest in (challenger, champion)]
        return (challenger, champion) if max(ended) <= split.cutoff else (None, None)
    learned = schedule.trial_training(split)
    return ranker_at(windows, ours, split, learned), ranker_at(windows, theirs, split, learned)


@dataclass(frozen=True, eq=False)
class _Bout:
    """One cutoff of a match: values by user and metric, guarded metrics and cost of both."""

    users: pl.DataFrame
    lists: dict[str, tuple[float, float]]
    cost: tuple[float, float]


def _fight(windows: WindowCache, split: Split, ours: Manifest, theirs: Manifest) -> _Bout:
    run = windows.run
    tested = read_window(run.platform, windows.take(split).version)
    truth, k = tested.held_out.filter(IS_KNOWN_ITEM), run.platform.settings.k
    rankers = [_load(run, manifest) for manifest in (ours, theirs)]
    lists = [_ranked(run, tested, ranker) for ranker in rankers]
    mine, other = (user_metrics(made, truth, k) for made in lists)
    users = mine.rename({c.VALUE: c.CHALLENGER}).join(other.rename({c.VALUE: c.OPPONENT}), on=[c.USER_ID, c.METRIC])
    at = pl.lit(split.cutoff).cast(_SCHEMA[c.CUTOFF]).alias(c.CUTOFF)
    guarded = [_guarded(made, tested, k) for made in lists]
    values = {name: (guarded[0][name], guarded[1][name]) for name in ranking.GUARDED}
    costs = [ranker.nodes_per_row for ranker in rankers]
    return _Bout(users.with_columns(at).select(list(_SCHEMA)), values, (costs[0], costs[1]))


def _ranked(run: AsOfRun, tested: Window, ranker: ranking.Ranker) -> pl.DataFrame:
    """Lists of a window by the ranker alone, re-ranked like a release."""
    return lists_of(run.platform, tested, ranker.score(tested.rows, run.platform.settings.threads))


def _guarded(lists: pl.DataFrame, tested: Window, k: int) -> dict[str, float]:
    shown = Shown(lists, tested.items, tested.held_out, tested.consumed, k)
    values = {name: measure(shown) for name, measure in PER_LIST}
    return values | {ranking.LIST_LENGTH: lists.height / max(lists[c.USER_ID].n_unique(), 1)}


def _mean_lists(bouts: list[_Bout]) -> dict[str, tuple[float, float]]:
    """Means over the cutoffs, of both."""
    if not bouts:
        return {}
    n = len(bouts)
    return {
        name: (sum(each.lists[name][0] for each in bouts) / n, sum(each.lists[name][1] for each in bouts) / n)
        for name in ranking.GUARDED
    }


def _with_segments(run: AsOfRun, users: pl.DataFrame) -> pl.DataFrame:
    """The same with each user's segment as of the run, null where there is none."""
    with run.models() as models:
        segments = models.frame(SEGMENTS, [c.USER_ID, c.SEGMENT_NAME])
    named = segments.rename({c.SEGMENT_NAME: c.SEGMENT})
    return users.join(named, on=c.USER_ID, how="left").sort(_PAIR)


def _load(run: AsOfRun, manifest: Manifest) -> ranking.Ranker:
    return ranking.load_ranker(artifact(run.platform.home.artifacts, ranking.RANKER, manifest.version))
