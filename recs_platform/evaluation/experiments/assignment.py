"""Who is in which variant: a salted hash of the user, the same everywhere and for ever, without any state.

Two hashes that know nothing of each other: the layer's says in which experiment's range a user lies, the experiment's
own in which variant. So coverage grows without moving anybody who is in, and no two experiments divide users alike.
What experiments are is in `contracts.experiments`.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from recs_platform.contracts.exposures import INTERLEAVED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from numpy.typing import NDArray

    from recs_platform.contracts.experiments import ExperimentSettings

_BITS = 53  # of a double: every position is exact, and less than 1
NOBODY = -1


class Positions:
    """Where units lie in [0, 1) under a salt: the first 53 bits of BLAKE2b of salt, a zero byte and unit.

    >>> round(Positions("home").of("u1"), 6), round(Positions("away").of("u1"), 6)
    (0.058628, 0.256366)
    """

    def __init__(self, salt: str) -> None:
        self._salted = blake2b(salt.encode() + b"\0", digest_size=8)

    def of(self, unit: str) -> float:
        """The position of one unit."""
        found = self._salted.copy()
        found.update(unit.encode("utf-8", "surrogatepass"))
        return (int.from_bytes(found.digest(), "big") >> (64 - _BITS)) / (1 << _BITS)

    def of_all(self, units: Iterable[str]) -> NDArray[np.float64]:
        """Positions of units, in their order."""
        return np.fromiter(map(self.of, units), dtype=np.float64)


@dataclass(frozen=True)
class Experiment:
    """One experiment, ready to assign. `variants` by name: their ranges follow from names, not from a file's order.

    `starts`: where each variant's range begins in [0, 1), ascending from 0.
    """

    name: str
    settings: ExperimentSettings
    variants: tuple[str, ...]
    starts: tuple[float, ...]
    in_layer: Positions
    within: Positions

    @classmethod
    def of(cls, name: str, settings: ExperimentSettings) -> Experiment:
        """The experiment that settings describe."""
        variants = tuple(sorted(settings.variants))
        weights = [settings.variants[each].weight for each in variants]
        starts = (0.0, *accumulate(weights[:-1]))
        salt = settings.salt or name
        return cls(name, settings, variants, starts, Positions(f"layer {settings.layer}"), Positions(f"variant {salt}"))

    def variant_of(self, unit: str) -> str | None:
        """The variant of a unit, None of one who does not take part; INTERLEAVED where its variants draft together."""
        return self.variant_at(self.in_layer.of(unit), unit)

    def variant_at(self, place: float, unit: str) -> str | None:
        """The same of a unit whose place in the layer is known."""
        if not self.settings.start <= place < self.settings.start + self.settings.coverage:
            return None
        if self.settings.kind == "interleaving":
            return INTERLEAVED
        return self.variants[bisect_right(self.starts, self.within.of(unit)) - 1]

    def variants_of(self, units: Iterable[str]) -> NDArray[np.int64]:
        """For each unit the place of its variant in `variants`, NOBODY (-1) where it does not take part."""
        every = list(units)
        place = self.in_layer.of_all(every)
        inside = (place >= self.settings.start) & (place < self.settings.start + self.settings.coverage)
        chosen = np.searchsorted(self.starts, self.within.of_all(every), side="right") - 1
        return np.where(inside, chosen, NOBODY)


class Assigner:
    """Variants of a unit in every experiment that runs on a day, at most one a layer."""

    def __init__(self, experiments: Mapping[str, ExperimentSettings]) -> None:
        self.experiments = tuple(Experiment.of(name, each) for name, each in sorted(experiments.items()))
        by_layer: dict[str, list[Experiment]] = {}
        for each in self.experiments:
            by_layer.setdefault(each.settings.layer, []).append(each)
        self._layers = [(group[0].in_layer, group) for _, group in sorted(by_layer.items())]

    def variants_of(self, unit: str, day: date) -> dict[str, str]:
        """Variant by experiment, of those the unit takes part in; by layer, then by name."""
        found: dict[str, str] = {}
        for positions, group in self._layers:
            place = positions.of(unit)
            for each in group:
                if each.settings.runs_on(day) and (variant := each.variant_at(place, unit)) is not None:
                    found[each.name] = variant
        return found
