"""A new release for some users first: who gets it, what is counted of both, and what follows from the decision.

The decision itself is in `evaluation.experiments.canary`. The state is a file of the home, so that a restart goes on.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from recs_platform.contracts.canary import CanaryState, CanaryTrial
from recs_platform.contracts.errors import RecsError
from recs_platform.evaluation.experiments.assignment import Positions
from recs_platform.evaluation.experiments.canary import GROUPS, Limits, Side, decide
from recs_platform.lake.disk import replace_bytes
from recs_platform.stages.releases import pinned_release
from recs_platform.stages.releases.bundle import newest_bundle, open_bundle, sealed_bundle

if TYPE_CHECKING:
    from collections.abc import Callable

    from recs_platform.contracts.home import Home
    from recs_platform.contracts.serving_settings import CanarySettings
    from recs_platform.stages.releases.bundle import Bundle

_LOG = logging.getLogger(__name__)
_SAVE_EVERY = 10  # looks, a second each
_MINUTE, _MILLISECONDS = 60.0, 1e3
_NO_CLICK = frozenset({"impression", "dismiss"})
_METRICS = ("lists", "failed", "slow", "impressions", "clicks")


@dataclass(frozen=True)
class Running:
    """A trial under way."""

    release_id: str
    started_at: datetime
    new: Side
    old: Side
    places: Positions


class Canary:
    """Which release a user of one home gets. Off where `settings.share` is 0: everybody gets the one in force."""

    def __init__(self, home: Home, settings: CanarySettings, now: Callable[[], datetime]) -> None:
        self._home, self._settings, self._now = home, settings, now
        self._groups = Positions("canary groups")
        self._settled: tuple[tuple[str, str], Bundle] | None = None
        self._looks = 0
        self.state = _read(home) if settings.share else CanaryState()
        self.running = None if self.state.trial is None else _resumed(self.state.trial)

    def look(self, in_force: Bundle) -> None:
        """Begin, decide or end a trial of the release in force."""
        if not self._settings.share:
            return
        state, release = self.state, in_force.release_id
        is_chosen = pinned_release(self._home) == release
        if state.settled_id in (None, release) or is_chosen or not self._open_settled():
            self._settle(in_force, f"release {release} answers everybody")
        elif release in state.taken_back:
            self._end(f"release {release} was taken back: {state.taken_back[release]}")
        else:
            self._try(in_force)
        self._looks += 1
        if self.running is not None and self._looks % _SAVE_EVERY == 0:
            self.save()

    def bundle_for(self, user_id: str, in_force: Bundle) -> tuple[Bundle, Side | None]:
        """The bundle of a user, by the home's name, and where to count what comes of it (None: nowhere)."""
        running, settled = self.running, self.for_everybody(in_force)
        if settled is in_force or running is None or running.release_id != in_force.release_id:
            return settled, None
        if in_force.is_opted_out(user_id):
            return settled, None
        is_in = running.places.of(user_id) < self._settings.share
        return (in_force, running.new) if is_in else (settled, running.old)

    def for_everybody(self, in_force: Bundle) -> Bundle:
        """The bundle of whoever is in no trial."""
        return in_force if self._settled is None else self._settled[1]

    def count_list(self, side: Side, user_id: str, seconds: float, *, failed: bool) -> None:
        """Count one list."""
        group = self._group(user_id)
        side.lists[group] += 1
        side.failed[group] += failed
        side.slow[group] += seconds * _MILLISECONDS > self._settings.slow_milliseconds

    def count_event(self, user_id: str, event_type: str, in_force: Bundle) -> None:
        """Count an impression, or what speaks for an item."""
        side = self.bundle_for(user_id, in_force)[1] if self.running is not None else None
        if side is not None and event_type == "impression":
            side.impressions[self._group(user_id)] += 1
        elif side is not None and event_type not in _NO_CLICK:
            side.clicks[self._group(user_id)] += 1

    def save(self) -> None:
        """Write the state; a disk that refuses is said in the log, and the trial goes on in memory."""
        if not self._settings.share:
            return
        running = self.running
        self.state.trial = None if running is None else _kept(running)
        try:
            self._home.canary.parent.mkdir(parents=True, exist_ok=True)
            replace_bytes(self._home.canary, msgspec.json.encode(self.state) + b"\n")
        except OSError as error:
            _LOG.warning("the state of the canary release cannot be written: %s", error)

    def _group(self, user_id: str) -> int:
        return int(self._groups.of(user_id) * GROUPS)

    def _try(self, in_force: Bundle) -> None:
        release, now = in_force.release_id, self._now()
        if self.running is None or self.running.release_id != release:
            self.running = Running(release, now, Side.empty(), Side.empty(), Positions(f"canary {release}"))
            _LOG.info("release %s answers %.3g of the users", release, self._settings.share)
            self.save()
        minutes = max((now - self.running.started_at).total_seconds() / _MINUTE, 0.0)
        limits = Limits(self._settings.minutes, self._settings.exposures_min)
        found = decide(self.running.new, self.running.old, minutes, limits)
        if found.action == "promote":
            self._settle(in_force, f"release {release} passed: {found.reason}")
        elif found.action == "take_back":
            self.state.taken_back[release] = found.reason
            self._end(f"release {release} was taken back: {found.reason}")
        else:
            self.state.said = f"release {release} answers {self._settings.share:.3g} of the users: {found.reason}"

    def _settle(self, in_force: Bundle, said: str) -> None:
        self._settled = (("", ""), in_force)
        if self.state.settled_id != in_force.release_id or self.running is not None:
            self.state.settled_id = in_force.release_id
            self.state.taken_back.pop(in_force.release_id, None)
            self._end(said)

    def _end(self, said: str) -> None:
        if self.running is None and self.state.said == said:
            return
        self.running, self.state.said = None, said
        _LOG.warning(said)
        self.save()

    def _open_settled(self) -> bool:
        """Whether the settled release can answer; opened anew where the home has learned of more opt-outs."""
        release = self.state.settled_id or ""
        try:
            found = sealed_bundle(self._home, release).version, newest_bundle(self._home).version
            if self._settled is None or self._settled[0] != found:
                self._settled = found, open_bundle(self._home, release)
        except (RecsError, OSError, ValueError) as error:
            _LOG.warning("release %s, which a canary is compared with, cannot be served: %s", release, error)
            return False
        return True


def _read(home: Home) -> CanaryState:
    if not home.canary.is_file():
        return CanaryState()
    try:
        return msgspec.json.decode(home.canary.read_bytes(), type=CanaryState)
    except msgspec.DecodeError as error:
        _LOG.warning("%s cannot be read, what it said of canary releases is lost: %s", home.canary, error)
        return CanaryState()


def _kept(running: Running) -> CanaryTrial:
    sides = [{name: getattr(side, name).tolist() for name in _METRICS} for side in (running.new, running.old)]
    return CanaryTrial(running.release_id, running.started_at, *sides)


def _resumed(trial: CanaryTrial) -> Running:
    new, old = (
        Side(**{name: np.array(side[name], dtype=np.int64) for name in _METRICS}) for side in (trial.new, trial.old)
    )
    return Running(trial.release_id, trial.started_at, new, old, Positions(f"canary {trial.release_id}"))


def utc_now() -> datetime:
    """The instant, as a trial is timed."""
    return datetime.now(UTC)
