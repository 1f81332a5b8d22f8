"""Settings of experiments: who takes part, in which variants, and what each variant shows.

Who is in which variant follows from them in `evaluation.experiments.assignment`; `serving` does what a variant says.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from itertools import combinations
from typing import Annotated, Literal

from pydantic import Field, model_validator

from recs_platform.contracts.exposures import INTERLEAVED
from recs_platform.contracts.shared_settings import Name, SettingGroup

# Names travel in ids of lists: no sign that parts them, and short enough for one of each layer.
Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
Share = Annotated[float, Field(gt=0, le=1)]
LAYERS_MAX = 6
_WEIGHT_SLACK = 1e-9
_EVEN = 0.5
_NO_CHANCE = "of what both draw at random the chance of a place is not known; explore in a split of the same layer"


class VariantSettings(SettingGroup):
    """What users of a variant are shown; what is unset stays as it is. One without anything is a flag, on or off."""

    weight: Annotated[float, Field(gt=0, le=1, description="share of the experiment's users; all add up to 1")]
    release: Annotated[Name | None, Field(description="lists of this release; unset, the one in force")] = None
    popularity: Annotated[bool, Field(description="popular items of the user's context in place of lists")] = False
    diversity: Annotated[
        float | None, Field(ge=0, le=1, description="how much variety of categories counts against relevance")
    ] = None
    max_per_category: Annotated[
        int | None, Field(ge=1, le=1000, description="items of one category in a list, while others last")
    ] = None
    session_weight: Annotated[
        float | None, Field(ge=0, le=1, description="how far a session moves stored candidates")
    ] = None
    exploration: Annotated[
        float | None, Field(ge=0, le=1, description="share of places that a random candidate takes")
    ] = None

    @property
    def treated(self) -> frozenset[str]:
        """What this variant decides: the list's origin, or a setting of re-ranking."""
        values = self.model_dump(exclude={"weight"})
        given = {name for name, value in values.items() if value is not None and value is not False}
        return frozenset({"list" if name in ("release", "popularity") else name for name in given})


class ExperimentSettings(SettingGroup):
    """Users of one range of a layer, divided among variants.

    `start` and `coverage` are a range of the layer: experiments of one layer exclude each other, layers know nothing of
    each other. Coverage may grow while it runs: nobody who is in moves. Other weights, or another salt, move people;
    they are another experiment and need another name.
    """

    kind: Annotated[
        Literal["split", "interleaving"],
        Field(description="split = a user is shown one variant, interleaving = lists that its two variants drafted"),
    ] = "split"
    layer: Annotated[Word, Field(description="experiments of one layer never have a user in common")] = "default"
    salt: Annotated[Name | None, Field(description="what users are hashed with; unset, the experiment's name")] = None
    start: Annotated[float, Field(ge=0, lt=1, description="where its range of the layer begins")] = 0.0
    coverage: Annotated[float, Field(ge=0, le=1, description="share of the layer's users who take part")] = 1.0
    starts_on: Annotated[date | None, Field(description="first day (UTC); unset, at once")] = None
    ends_on: Annotated[date | None, Field(description="last day (UTC); unset, none")] = None
    control: Annotated[Word, Field(description="the variant that others are compared with")] = "control"
    user_days_planned: Annotated[
        int, Field(ge=100, le=10**12, description="days of users, added up, at which intervals are narrowest")
    ] = 50_000
    variants: Annotated[dict[Word, VariantSettings], Field(min_length=2, max_length=20, description="by name")]

    @model_validator(mode="after")
    def _refuse_what_does_not_add_up(self) -> "ExperimentSettings":
        total = sum(variant.weight for variant in self.variants.values())
        if abs(total - 1) > _WEIGHT_SLACK:
            raise ValueError(f"the weights of its variants add up to {total:g}, not to 1")
        if INTERLEAVED in self.variants:
            raise ValueError(f"no variant may be called {INTERLEAVED!r}: it is what a drafted list is called")
        if self.kind == "interleaving" and sorted(each.weight for each in self.variants.values()) != [_EVEN, _EVEN]:
            raise ValueError(f"an interleaving has two variants of weight {_EVEN} each: both draft every list")
        if self.kind == "interleaving" and any(each.exploration for each in self.variants.values()):
            raise ValueError(f"an interleaving does not explore: {_NO_CHANCE}")
        if self.control not in self.variants:
            raise ValueError(f"control = {self.control!r} is none of its variants: {', '.join(sorted(self.variants))}")
        if self.start + self.coverage > 1 + _WEIGHT_SLACK:
            raise ValueError(
                f"start {self.start:g} and coverage {self.coverage:g} go beyond the layer, which ends at 1"
            )
        if self.starts_on is not None and self.ends_on is not None and self.ends_on < self.starts_on:
            raise ValueError(f"ends_on {self.ends_on} lies before starts_on {self.starts_on}")
        return self

    @property
    def treated(self) -> frozenset[str]:
        """What any of its variants decides."""
        drafts = {"drafts"} if self.kind == "interleaving" else set[str]()
        return frozenset(name for variant in self.variants.values() for name in variant.treated) | drafts

    def runs_on(self, day: date) -> bool:
        """Whether users take part on a day (UTC)."""
        return (self.starts_on is None or self.starts_on <= day) and (self.ends_on is None or day <= self.ends_on)


def named_releases(experiments: Mapping[str, ExperimentSettings]) -> frozenset[str]:
    """Releases that some variant serves: they are not to be pruned."""
    variants = (variant for each in experiments.values() for variant in each.variants.values())
    return frozenset(variant.release for variant in variants if variant.release is not None)


def require_apart(experiments: Mapping[str, ExperimentSettings]) -> None:
    """Refuse experiments that get in each other's way while both run.

    Raises ValueError for ranges of one layer that overlap, for layers that decide the same thing, for exploration of
    drafted lists, and for more layers than an id of a list can name.
    """
    layers = sorted({each.layer for each in experiments.values()})
    if len(layers) > LAYERS_MAX:
        raise ValueError(f"there are at most {LAYERS_MAX} layers, not {len(layers)}: {', '.join(layers)}")
    for (name, one), (other_name, other) in _side_by_side(experiments):
        if one.layer == other.layer:
            if one.start < other.start + other.coverage and other.start < one.start + one.coverage:
                raise ValueError(
                    f"{name} takes {_range(one)} of layer {one.layer!r}, {other_name} {_range(other)}: they overlap"
                )
        elif both := sorted(one.treated & other.treated):
            raise ValueError(
                f"{name} (layer {one.layer!r}) and {other_name} (layer {other.layer!r}) both decide {', '.join(both)}; "
                "put them into one layer"
            )
        elif "drafts" in one.treated | other.treated and "exploration" in one.treated | other.treated:
            raise ValueError(f"{name} and {other_name} are an interleaving and an exploration: {_NO_CHANCE}")


def explored_draft(
    experiments: Mapping[str, ExperimentSettings], explored_slots: int, today: date | None = None
) -> tuple[tuple[str, str, str], str] | None:
    """Place and fault of an interleaving of lists some of whose places batch draws by chance, None where there is none.

    The chance of such a place is known for the list it was drawn for, not for one that two lists draft. An experiment
    that is over by `today` does no harm; without a day, one that has an end.
    """
    for name, each in experiments.items():
        is_over = each.ends_on is not None and (today is None or each.ends_on < today)
        if each.kind == "interleaving" and explored_slots and not is_over:
            fault = (
                f"lists of which batch draws {explored_slots} places by chance cannot be drafted: the chance of a "
                "place would not be known; set exploration.slots = 0, or give the experiment an end (ends_on)"
            )
            return ("experiments", name, "kind"), fault
    return None


def _side_by_side(
    experiments: Mapping[str, ExperimentSettings],
) -> Iterator[tuple[tuple[str, ExperimentSettings], tuple[str, ExperimentSettings]]]:
    """Pairs that run on a common day."""
    for one, other in combinations(sorted(experiments.items()), 2):
        first = max(one[1].starts_on or date.min, other[1].starts_on or date.min)
        if first <= min(one[1].ends_on or date.max, other[1].ends_on or date.max):
            yield one, other


def _range(experiment: ExperimentSettings) -> str:
    return f"{experiment.start:g} to {experiment.start + experiment.coverage:g}"
