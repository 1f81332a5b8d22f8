"""The champion of an as-of: which ranker scores it, why, and what the gate said; kept as rows of two tables.

Lines of the gate are judged in `stages.ranking.gate`, lists of both rankers made in `promotion`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from recs_platform.contracts import columns as c
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
        return self.decision in ("first", "promoted", "refreshed")


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
    choice = choose_champion(run)
    overrides = ranking.read_overrides(run.platform.home.artifacts).known_at(run.known_at)
    decide = _Decided(choice, choice.manifest)
    pin = overrides.pinned
    if pin is not None and pin.version is not None:
        pinned = find_ranker(run, pin.version)
        why_not = f"{pin.version} is not there" if pinned is None else why_not_lawful(run, pinned)
        if pinned is not None and why_not is None:
            return decide.of("pinned", pinned, f"pinned by an operator: {pin.reason}", opponent=pin.version)
        progress(f"the pinned ranker cannot serve: {why_not}")
    if schedule.protocol == "per_user" or not schedule.trials_before(run.as_of):
        return decide.of("untested", choice.manifest, f"{choice.reason}; no cutoff at which rankers can be compared")
    incumbent, gone = _incumbent(run, overrides)
    if incumbent is None:
        match = match_popularity(windows, schedule, progress)
        lines = ranking.judge_match(match, run.platform.settings.promotion, run.platform.settings.seed)
        return _first(decide, match, lines, gone)
    if incumbent.parameters.get(BASIS) == choice.manifest.parameters.get(BASIS):
        return decide.of("refreshed", choice.manifest, f"the champion's recipe; {choice.reason}", incumbent.version)
    match = match_rankers(windows, schedule, choice.manifest, incumbent, progress)
    return _against(decide, match, incumbent, run)


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


@dataclass(frozen=True)
class _Decided:
    """Makes a promotion of a decision."""

    choice: ranking.ChampionChoice
    challenger: Manifest

    def of(
        self,
        decision: ranking.Decision,
        champion: Manifest,
        reason: str,
        opponent: str = NOBODY,
        lines: pl.DataFrame | None = None,
        n_users: int = 0,
    ) -> Promotion:
        is_passed = decision not in ("kept", "unproven")
        summary = ranking.decision_line(decision, is_passed, n_users, reason)
        rows = summary if lines is None else pl.concat([summary, lines])
        named = rows.with_columns(
            pl.lit(decision).alias(c.DECISION),
            pl.lit(self.challenger.version).alias(c.CHALLENGER_VERSION),
            pl.lit(opponent).alias(c.OPPONENT),
        )
        names = [name for name in PROMOTIONS.column_names if name != c.AS_OF]
        return Promotion(champion, decision, reason, len(self.choice.considered), named.select(names))


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


def _first(decide: _Decided, match: ranking.Match, lines: pl.DataFrame, gone: str) -> Promotion:
    superior = lines.filter(pl.col(c.LINE) == ranking.SUPERIORITY).row(0, named=True)
    decision: ranking.Decision = "first" if superior[c.IS_PASSED] else "unproven"
    reason = f"{gone}; against {POPULARITY}: {superior[c.MESSAGE]}"
    return decide.of(decision, decide.challenger, reason, POPULARITY, lines, match.n_pairs)


def _against(decide: _Decided, match: ranking.Match, incumbent: Manifest, run: AsOfRun) -> Promotion:
    settings = run.platform.settings
    if match.n_pairs < settings.promotion.users_min:
        reason = (
            f"{match.n_pairs} user windows at cutoffs where both could have served, {settings.promotion.users_min} "
            "needed; the champion goes on meanwhile"
        )
        return decide.of("kept", incumbent, reason, incumbent.version, n_users=match.n_pairs)
    lines = ranking.judge_match(match, settings.promotion, settings.seed)
    if ranking.passes(lines):
        best = lines.filter(c.IS_PASSED, pl.col(c.LINE).is_in([ranking.SUPERIORITY, ranking.GAIN]))[c.MESSAGE].to_list()
        return decide.of("promoted", decide.challenger, best[0], incumbent.version, lines, match.n_pairs)
    reason = "; ".join(ranking.failures(lines)) or "it does not pass"
    return decide.of("kept", incumbent, reason, incumbent.version, lines, match.n_pairs)
