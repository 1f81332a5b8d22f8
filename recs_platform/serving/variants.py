"""Experiments while serving: which treatment a user gets now, and what suspends an experiment.

Who is in which variant is in `evaluation.experiments.assignment`, what a treatment does in `treatments`.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from recs_platform.contracts.errors import RecsError, UsageError
from recs_platform.contracts.exposures import INTERLEAVED
from recs_platform.evaluation.experiments.assignment import Assigner
from recs_platform.serving.treatments import UNTREATED, Treatment
from recs_platform.stages.releases import find_release
from recs_platform.stages.releases.bundle import newest_bundle, open_bundle, sealed_bundle

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date

    from recs_platform.contracts.experiments import ExperimentSettings, VariantSettings
    from recs_platform.contracts.home import Home
    from recs_platform.stages.releases.bundle import Bundle

_LOG = logging.getLogger(__name__)


class Variants:
    """Treatments of the users of one home.

    `faults`: by experiment, why it is suspended. Nobody takes part in an experiment one of whose releases cannot be
    opened: to serve its other variants alone would compare users who differ.
    """

    def __init__(self, home: Home, experiments: Mapping[str, ExperimentSettings]) -> None:
        self._home, self._settings = home, experiments
        self._assigner = Assigner(experiments)
        self._bundles: dict[str, tuple[tuple[str, str], Bundle]] = {}
        self.faults: dict[str, str] = {}

    @property
    def are_none(self) -> bool:
        """Whether there is no experiment at all."""
        return not self._settings

    def require_releases(self, today: date) -> None:
        """Raises UsageError naming the setting of a variant whose release has no bundle to serve."""
        for experiment, variant, release in self._releases(today):
            try:
                find_release(self._home, release)
                sealed_bundle(self._home, release)
            except RecsError as error:
                place = f"experiments.{experiment}.variants.{variant}.release"
                raise UsageError(f"{self._home.settings_file}: {place} = {release!r}: {error}") from None

    def look(self, today: date) -> None:
        """Open what variants need, anew where the home has learned of more opt-outs."""
        faults: dict[str, str] = {}
        wanted: dict[str, tuple[tuple[str, str], Bundle]] = {}
        for experiment, _, release in self._releases(today):
            try:
                found = sealed_bundle(self._home, release).version, newest_bundle(self._home).version
                known = self._bundles.get(release)
                wanted[release] = known if known and known[0] == found else (found, open_bundle(self._home, release))
            except (RecsError, OSError, ValueError) as error:
                faults[experiment] = str(error)
                if experiment not in self.faults:
                    _LOG.warning("experiment %s is suspended: %s", experiment, error)
        self._bundles, self.faults = wanted, faults

    def treatment(self, user_id: str, in_force: Bundle, today: date) -> Treatment:
        """What a user, by the home's name, is shown; users who opted out, and the hold-out, take part in nothing."""
        if not self._assigner.experiments or in_force.is_opted_out(user_id):
            return UNTREATED
        if in_force.is_held_out(in_force.user(user_id)):
            return UNTREATED
        variants = {
            experiment: variant
            for experiment, variant in self._assigner.variants_of(user_id, today).items()
            if experiment not in self.faults
        }
        if not variants:
            return UNTREATED
        given = [
            self._settings[experiment].variants[variant]
            for experiment, variant in variants.items()
            if variant != INTERLEAVED
        ]
        alone = self._combined(variants, given)
        drafted = next((experiment for experiment, variant in variants.items() if variant == INTERLEAVED), None)
        return alone if drafted is None or alone is UNTREATED else self._drafting(alone, drafted, given)

    def _drafting(self, alone: Treatment, experiment: str, given: list[VariantSettings]) -> Treatment:
        """The control and its rival draft together; what other layers decide holds for both."""
        settings = self._settings[experiment]
        names = sorted(settings.variants, key=lambda name: name != settings.control)
        one, other = ((name, self._combined(alone.variants, [*given, settings.variants[name]])) for name in names)
        is_open = all(side is not UNTREATED for _, side in (one, other))
        return replace(alone, drafting=(one, other)) if is_open else UNTREATED

    def _combined(self, variants: Mapping[str, str], given: list[VariantSettings]) -> Treatment:
        """Layers decide different things: at most one variant says each."""
        release = next((each.release for each in given if each.release is not None), None)
        opened = None if release is None else self._bundles.get(release)
        if release is not None and opened is None:  # not looked for yet
            return UNTREATED
        return Treatment(
            variants,
            None if opened is None else opened[1],
            any(each.popularity for each in given),
            next((each.diversity for each in given if each.diversity is not None), None),
            next((each.max_per_category for each in given if each.max_per_category is not None), None),
            next((each.session_weight for each in given if each.session_weight is not None), None),
            next((each.exploration for each in given if each.exploration is not None), None),
        )

    def _releases(self, today: date) -> Iterator[tuple[str, str, str]]:
        """Experiment, variant and release, of experiments that run or will."""
        for experiment, settings in self._settings.items():
            if settings.ends_on is None or today <= settings.ends_on:
                for name, variant in settings.variants.items():
                    if variant.release is not None:
                        yield experiment, name, variant.release
