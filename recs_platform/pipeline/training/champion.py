"""The champion of an as-of: which ranker scores it, why, and what the gate said; kept as rows of two tables.

Lines of the gate are judged in `stages.ranking.gate`, lists of both rankers made in `promotion`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import NotReady
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.tables import PROMOTIONS
from recs_platform.contracts.time import parse_instant
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.training.promotion import POPULARITY, match_popularity, match_rankers
from recs_platform.pipeline.training.rankers import BASIS, ranker_basis
from recs_platform.pipeline.training.recipes import find_ranker, lawful_rankers, why_not_lawful
from recs_platform.pipeline.training.schedule import TrainingSchedule
from recs_platform.pipeline.training.window_cache import WindowCache
from recs_platform.stages import ranking
from recs_platform.stages.releases import previous_release

NOBODY = "none"
# Decisions that a person should look at.
LOOK_AT = ("kept", "unproven")


@dataclass(frozen=True)
class Promotion:
    """Which ranker serves, how that was decided, out of how many, and the lines of the gate.

    `lines`: in the columns of `reports.promotions` less as_of, the decision first.
    """

    champion: Manifest
    decision: ranking.Decision
    reason: str
    considered: int
    lines: pl.DataFrame

    @property
    def is_passed(self) -> bool:
        """Whether nothing of it needs a person's eyes."""
        return self.decision not in LOOK_AT


def choose_champion(run: AsOfRun) -> ranking.ChampionChoice:
    """The challenger: the newest of the rankers made under today's settings and code, from what was known.

    One trained on a user who has opted out since, or retired by an operator, is skipped. Raises NotReady where there
    is none.
    """
    basis = ranker_basis(run)
    return ranking.choose_champion(
        [manifest for manifest in lawful_rankers(run) if manifest.parameters.get(BASIS) == basis], run.as_of
    )


def decide_champion(windows: WindowCache, schedule: TrainingSchedule, progress: Callable[[str], None]) -> Promotion:
    """The ranker that serves the as-of: what is pinned, else the challenger if it passes the gate, else the champion.

    The champion in force is that of the release before. A challenger of the same recipe follows it without a match: at
    every past cutoff both are one ranker. Without a champion the challenger serves, and is called unproven unless it
    beats popularity: what orders the lists is then left to the trials of contenders. Where users' last events are the
    test, or nothing is tried (`training.trials`), nothing can be judged, and the newest ranker serves untested.
    """
    run = windows.run
    overrides = ranking.read_overrides(run.platform.home.artifacts).known_at(run.known_at)
    incumbent, gone = _incumbent(run, overrides)
    pinned = _pinned(run, overrides, progress)
    choice, why_none = _challenger(run)
    if pinned is not None:
        manifest, reason = pinned
        return _decided(choice, "pinned", manifest, f"pinned by an operator: {reason}", manifest.version)
    if choice is None:
        if incumbent is None:
            raise NotReady(why_none)
        reason = f"today's recipe has none that may serve: {why_none}"
        return _decided(None, "kept", incumbent, reason, incumbent.version)
    if schedule.protocol == "per_user" or not schedule.trials_before(run.as_of):
        reason = f"{choice.reason}; there is no cutoff at which rankers can be compared"
        return _decided(choice, "untested", choice.manifest, reason)
    if incumbent is None:
        return _first(run, choice, match_popularity(windows, schedule, progress), gone)
    if incumbent.parameters.get(BASIS) == choice.manifest.parameters.get(BASIS):
        return _decided(
            choice, "refreshed", choice.manifest, f"the champion's recipe; {choice.reason}", incumbent.version
        )
    return _against(run, choice, match_rankers(windows, schedule, choice.manifest, incumbent, progress), incumbent)


def champion_row(promotion: Promotion) -> pl.DataFrame:
    """The row of `ranking.champion`, without as_of."""
    manifest = promotion.champion
    return pl.DataFrame(
        {
            c.RANKER_VERSION: [manifest.version],
            c.LABELS_END_AT: [parse_instant(manifest.parameters[ranking.LABELS_END])],
            c.TRAINED_AS_OF: [manifest.as_of],
            c.CONSIDERED_COUNT: [promotion.considered],
            c.REASON: [f"{promotion.decision}: {promotion.reason}"],
        }
    )


def _challenger(run: AsOfRun) -> tuple[ranking.ChampionChoice | None, str]:
    """The challenger, and why there is none where there is none."""
    try:
        return choose_champion(run), ""
    except NotReady as error:
        return None, str(error)


def _decided(
    choice: ranking.ChampionChoice | None,
    decision: ranking.Decision,
    champion: Manifest,
    reason: str,
    opponent: str = NOBODY,
    lines: pl.DataFrame | None = None,
    n_users: int = 0,
) -> Promotion:
    """The promotion, its lines with the decision before them; without `choice` there was no challenger."""
    summary = ranking.decision_line(decision, decision not in LOOK_AT, n_users, reason)
    rows = summary if lines is None else pl.concat([summary, lines])
    named = rows.with_columns(
        pl.lit(decision).alias(c.DECISION),
        pl.lit(NOBODY if choice is None else choice.manifest.version).alias(c.CHALLENGER_VERSION),
        pl.lit(opponent).alias(c.OPPONENT),
    )
    names = [name for name in PROMOTIONS.column_names if name != c.AS_OF]
    considered = 0 if choice is None else len(choice.considered)
    return Promotion(champion, decision, reason, considered, named.select(names))


def _pinned(run: AsOfRun, overrides: ranking.Overrides, progress: Callable[[str], None]) -> tuple[Manifest, str] | None:
    """The ranker that an operator pinned and why, unless it must not, or cannot, serve: then that is reported."""
    pin = overrides.pinned
    if pin is None or pin.version is None:
        return None
    found = find_ranker(run, pin.version)
    retired = overrides.retired.get(pin.version)
    why_not = f"{pin.version} is not there" if found is None else why_not_lawful(run, found)
    why_not = why_not if retired is None else f"{pin.version} was retired: {retired.reason}"
    if found is None or why_not is not None:
        progress(f"the pinned ranker cannot serve: {why_not}")
        return None
    return found, pin.reason


def _incumbent(run: AsOfRun, overrides: ranking.Overrides) -> tuple[Manifest | None, str]:
    """The champion of the release before, and why it is none where there is none."""
    before = previous_release(run.platform.home, run.as_of)
    if before is None:
        return None, "no release before"
    version = str(before.parameters[c.RANKER_VERSION])
    found = find_ranker(run, version)
    if found is None:
        return None, f"the champion {version} before is gone"
    if version in overrides.retired:
        return None, f"the champion {version} before was retired: {overrides.retired[version].reason}"
    why_not = why_not_lawful(run, found)
    return (found, "") if why_not is None else (None, f"the champion {version} before cannot serve: {why_not}")


def _first(run: AsOfRun, choice: ranking.ChampionChoice, match: ranking.Match, gone: str) -> Promotion:
    lines = ranking.judge_match(match, run.platform.settings.promotion, run.platform.settings.seed)
    superior = lines.filter(pl.col(c.LINE) == ranking.SUPERIORITY).row(0, named=True)
    decision: ranking.Decision = "first" if superior[c.IS_PASSED] else "unproven"
    reason = f"{gone}; against {POPULARITY}: {superior[c.MESSAGE]}"
    return _decided(choice, decision, choice.manifest, reason, POPULARITY, lines, match.n_pairs)


def _against(run: AsOfRun, choice: ranking.ChampionChoice, match: ranking.Match, incumbent: Manifest) -> Promotion:
    settings = run.platform.settings
    n, needed = match.n_pairs, settings.promotion.users_min
    if n < needed:
        reason = f"{n} user windows at cutoffs where both could have served, {needed} needed; the champion goes on"
        return _decided(choice, "kept", incumbent, reason, incumbent.version, n_users=n)
    lines = ranking.judge_match(match, settings.promotion, settings.seed)
    if ranking.passes(lines):
        best = lines.filter(c.IS_PASSED, pl.col(c.LINE).is_in([ranking.SUPERIORITY, ranking.GAIN]))[c.MESSAGE].to_list()
        return _decided(choice, "promoted", choice.manifest, best[0], incumbent.version, lines, n)
    reason = "; ".join(ranking.failures(lines))
    return _decided(choice, "kept", incumbent, reason, incumbent.version, lines, n)
