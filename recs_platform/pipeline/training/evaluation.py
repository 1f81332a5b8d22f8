"""Offline evaluation: each test window ranked by a ranker that could have existed then.

What is measured in one is in `window_metrics`.
"""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.tables import LIST_METRICS, TESTED_LISTS, USER_METRICS, TableContract
from recs_platform.contracts.time import as_of_key, parse_instant
from recs_platform.evaluation.bootstrap import cluster_intervals
from recs_platform.lake.column_types import arrow_schema
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval.tuned_configs import adopted_manifest
from recs_platform.pipeline.training.measurements import Frames, measured_once
from recs_platform.pipeline.training.mitigation import unmitigated_lists
from recs_platform.pipeline.training.probabilities import learn_from_trials, with_probability
from recs_platform.pipeline.training.rankers import ranker_basis, seal_rankers
from recs_platform.pipeline.training.recipes import ranker_at, serving_basis
from recs_platform.pipeline.training.schedule import TrainingSchedule
from recs_platform.pipeline.training.splits import Split
from recs_platform.pipeline.training.trials import choose_as_of, chosen_by_group, competing, orders_lists
from recs_platform.pipeline.training.window_cache import WindowCache
from recs_platform.pipeline.training.window_metrics import FINAL, WITH_NEW_ITEMS, evaluate_window
from recs_platform.pipeline.training.windows import USERS_MAX, read_window
from recs_platform.stages import ranking

BASELINE = "popularity"
MEASURED = (USER_METRICS, LIST_METRICS, TESTED_LISTS)


@dataclass(frozen=True)
class Evaluated:
    """By table what was measured of each user, of each model's lists and of each listed item, oldest window first.

    `windows`: how many are pooled; `stopped`: why it is not more; `added`: those that the first tests did not ask for.
    """

    frames: Mapping[str, pl.DataFrame]
    windows: int
    stopped: str
    added: tuple[Manifest, ...]

    @property
    def per_user(self) -> pl.DataFrame:
        return self.frames[USER_METRICS.name]

    @property
    def per_list(self) -> pl.DataFrame:
        return self.frames[LIST_METRICS.name]


def evaluate(windows: WindowCache, schedule: TrainingSchedule, progress: Callable[[str], None]) -> Evaluated:
    """Test at the newest windows, then at older ones until what they tell is precise enough, see `stop_reason`.

    All are tested where they are no samples of more users: windows that hold whom there is repeat one another.

    What is measured is in the columns of `MEASURED` less as_of.
    """
    run, tests, tested = windows.run, schedule.tests(), list[Frames]()
    waves = [schedule.first_tests(), *([split] for split in tests[: -schedule.tests_min][::-1])]
    stopped = f"all {len(tests)} test windows that the history holds, or the settings allow"
    first = set[str]()
    for wave in waves:
        tested = [*_test(windows, schedule, wave, progress), *tested]
        first = first or {each.version for each in windows.taken}
        settings = run.platform.settings
        reason = stop_reason(
            [found[USER_METRICS.table] for found in tested], settings.evaluation_precision, settings.seed
        )
        if reason is not None and len(tested) < len(tests) and _are_samples(windows, tests[-len(tested) :]):
            stopped = f"{len(tested)} of at most {len(tests)} test windows: {reason}"
            break
    progress(stopped)
    frames = {contract.name: _pooled(contract, [found[contract.table] for found in tested]) for contract in MEASURED}
    told = with_probability(frames[TESTED_LISTS.name], learn_from_trials(windows, schedule, progress))
    return Evaluated(
        {**frames, TESTED_LISTS.name: told},
        len(tested),
        stopped,
        tuple(each for each in windows.taken if each.version not in first),
    )


def stop_reason(per_user: Sequence[pl.DataFrame], precision: float, seed: int) -> str | None:
    """Why no further window is needed: the mean of final's NDCG less popularity's has a narrow interval; else None.

    Narrow: half of its 95 % interval is at most `precision` times the mean. Differences are paired within user and
    window, on items known by the cutoff, and users are drawn with all their windows.
    """
    if not per_user:
        return None
    # A window without anybody to score has its columns in another order.
    names = per_user[0].columns
    ndcg = pl.concat([users.select(names) for users in per_user]).filter(
        pl.col(c.METRIC) == "ndcg", ~pl.col(c.PROTOCOL).str.ends_with(WITH_NEW_ITEMS)
    )
    final, baseline = (ndcg.filter(model=model) for model in (FINAL, BASELINE))
    paired = final.join(baseline, on=[c.CUTOFF, c.USER_ID], suffix=BASELINE)
    if paired.is_empty():
        return None
    differences = (paired[c.VALUE] - paired[c.VALUE + BASELINE]).to_numpy()
    users = paired[c.USER_ID].rank("dense").cast(pl.Int64).to_numpy()
    found = cluster_intervals(users, differences[:, None], seed=seed)
    mean, half = float(found.value[0]), float(found.high[0] - found.low[0]) / 2
    if not half <= precision * abs(mean):
        return None
    return f"NDCG is {mean:+.4f} ± {half:.4f} above {BASELINE}'s, known within {precision:.0%} of itself"


def _are_samples(windows: WindowCache, splits: Sequence[Split]) -> bool:
    """Whether each window drew its users from more: those of a small log hold the same users again, and tell less."""
    return all(windows.take(split).metrics["evaluated_users"] >= USERS_MAX for split in splits)


def _test(
    windows: WindowCache, schedule: TrainingSchedule, splits: Sequence[Split], progress: Callable[[str], None]
) -> list[Frames]:
    """What is measured at these splits, by table, in their order; no rows where the recipe in force had no ranker."""
    run = windows.run
    served = served_at(windows, schedule, splits, progress)

    def test(split: Split) -> Frames:
        if split not in served:
            return {contract.table: _no_rows(contract) for contract in MEASURED}
        window, (trained, chosen) = windows.take(split), served[split]

        def measure() -> Frames:
            tested = read_window(run.platform, window.version)
            plain = unmitigated_lists(windows, schedule, split, tested, served[split])
            return evaluate_window(run, split, tested, trained, chosen, without=plain)

        return measured_once(run, "test", window, orders_lists(trained, chosen), measure)

    with ThreadPoolExecutor(run.platform.settings.threads) as pool:
        return list(pool.map(test, splits))


def served_at(
    windows: WindowCache, schedule: TrainingSchedule, splits: Sequence[Split], progress: Callable[[str], None]
) -> dict[Split, tuple[Manifest, dict[str, ranking.Contender]]]:
    """What would have ordered the lists at each split: the ranker, and the contender of each group of users.

    Without the splits at which the recipe in force had no ranker.
    """
    rankers, among = _rankers(windows, schedule, splits, progress), competing(windows.run)
    return {
        split: (
            trained,
            chosen_by_group(choose_as_of(windows, schedule, _decided_at(schedule, split), progress), among),
        )
        for split, trained in rankers.items()
        if trained is not None
    }


def _rankers(
    windows: WindowCache, schedule: TrainingSchedule, splits: Sequence[Split], progress: Callable[[str], None]
) -> dict[Split, Manifest | None]:
    """The ranker to test at each split, of the recipe in force; those of today's are trained side by side."""
    run, basis = windows.run, serving_basis(windows.run)
    if basis != ranker_basis(run):
        return {split: ranker_at(windows, basis, split, ()) for split in splits}
    learned = {split: windows.to_learn_from(schedule.training_for(split)) for split in splits}
    wanted = [(split.cutoff, taken) for split, taken in learned.items()]
    sealed = seal_rankers(run, wanted, progress)
    return {split: trained for split, (trained, _) in zip(learned, sealed, strict=True)}


def _decided_at(schedule: TrainingSchedule, split: Split) -> datetime | None:
    """When it is decided what orders the lists of a test: before the first of those that are tested in any case.

    None where users' last events are held out: nothing can be tried before them, and a test must not choose its winner.
    """
    return None if schedule.protocol == "per_user" else min(split, *schedule.first_tests()).cutoff


def tuned_on_tests(platform: Platform, schedule: TrainingSchedule) -> str | None:
    """What to say where the adopted retrieval config was tuned on what is tested here; None where it was not."""
    adopted = adopted_manifest(platform.home.artifacts)
    if adopted is None:
        return None
    until = parse_instant(adopted.parameters["tuned_until"])
    # Users' last events are held out from tuning and tests alike, as long as the as-of is not an earlier one.
    seen = (
        adopted.as_of > schedule.as_of
        if schedule.protocol == "per_user"
        else any(split.cutoff < until for split in schedule.tests())
    )
    message = (
        f"the adopted retrieval config {adopted.version} was tuned on events until {as_of_key(until)}, tests included"
    )
    return message if seen else None


def _pooled(contract: TableContract, measured: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """What was measured at each window, one after the other, in the contract's columns less as_of."""
    none = _no_rows(contract)
    return pl.concat([none, *(rows.select(none.columns) for rows in measured)])


def _no_rows(contract: TableContract) -> pl.DataFrame:
    """The contract's columns less as_of, without rows: what a history too short for a window gives."""
    frame = pl.from_arrow(arrow_schema(contract.columns).empty_table())
    return pl.DataFrame(frame).drop(c.AS_OF)
