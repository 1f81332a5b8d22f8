"""Settings of the re-ranking rules: one group a rule, off by default, with what is different for a segment.

Rules are in `stages.reranking.rules`; what contradicts what is in `rule_faults`.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Self, cast

from pydantic import Field, ValidationError, field_validator, model_validator

from recs_platform.contracts.shared_settings import Name, SettingGroup

Enabled = Annotated[bool, Field(description="whether the rule is obeyed")]
Count = Annotated[int, Field(ge=0, le=1000)]
Days = Annotated[float, Field(gt=0, le=3650)]
_SEGMENTS = "by segment_id of segments.user_segments: what is different for its users"


class RuleSettings(SettingGroup):
    """One rule: whether it is on, its numbers, and by segment those that are others there."""

    enabled: Enabled = False
    segments: Annotated[dict[str, dict[str, Any]], Field(description=_SEGMENTS)] = {}  # noqa: RUF012 - a pydantic model copies its defaults

    @model_validator(mode="after")
    def _refuse_what_no_segment_may_say(self) -> Self:
        for segment_id, given in self.segments.items():
            if "segments" in given:
                raise ValueError(f"segments.{segment_id} has segments of its own; name each segment beside the others")
            try:
                self.of(segment_id)
            except ValidationError as error:
                fault = error.errors()[0]
                where = ".".join(["segments", segment_id, *map(str, fault["loc"])])
                raise ValueError(f"{where}: {fault['msg'].removeprefix('Value error, ')}") from None
        return self

    def of(self, segment_id: str | None) -> Self:
        """What holds for users of a segment; of none, or of one that is not named, what holds for everybody."""
        given = self.segments.get(segment_id or "", {})
        if not given:
            return self
        return type(self).model_validate({**self.model_dump(exclude={"segments"}), **given})

    def plans(self) -> dict[str | None, Self]:
        """What holds, by segment; None: everybody else."""
        return {None: self, **{segment_id: self.of(segment_id) for segment_id in self.segments}}

    @property
    def is_used(self) -> bool:
        """Whether the rule is on for anybody."""
        return any(plan.enabled for plan in self.plans().values())


class Dated(SettingGroup):
    """What holds from one day until another, midnight UTC; without a day, from ever or for ever."""

    starts: Annotated[date | None, Field(description="first day")] = None
    ends: Annotated[date | None, Field(description="first day on which it no longer holds")] = None

    @model_validator(mode="after")
    def _refuse_an_end_before_the_start(self) -> Self:
        if self.starts is not None and self.ends is not None and self.ends <= self.starts:
            raise ValueError(f"ends = {self.ends} is not after starts = {self.starts}")
        return self

    def holds(self, as_of: datetime) -> bool:
        """Whether it holds as of an instant."""
        begun = self.starts is None or datetime.combine(self.starts, time(), UTC) <= as_of
        return begun and (self.ends is None or as_of < datetime.combine(self.ends, time(), UTC))


class Pin(Dated):
    """An item at a place of the list, from 1."""

    item_id: Name
    place: Annotated[int, Field(ge=1, le=1000)]

    def overlaps(self, other: "Pin") -> bool:
        """Whether there is a day on which both hold."""
        first, last = date.min, date.max
        return max(self.starts or first, other.starts or first) < min(self.ends or last, other.ends or last)


class Boost(Dated):
    """A factor of the relevance of one item, of a category's items or of a creator's."""

    item_id: Name | None = None
    category: Name | None = None
    creator: Name | None = None
    factor: Annotated[float, Field(ge=0, le=1000)]

    @model_validator(mode="after")
    def _require_one_subject(self) -> Self:
        if sum(name is not None for name in (self.item_id, self.category, self.creator)) != 1:
            raise ValueError("a boost names one of item_id, category and creator")
        return self


class DismissedSettings(RuleSettings):
    """Items that the user dismissed stay away; those consumed do in any case, unless repeats are allowed."""

    days: Annotated[Days, Field(description="days since the dismissal in which the item stays away")] = 90.0
    creators: Annotated[bool, Field(description="the other items of its creator stay away too")] = False


class FrequencyCapSettings(RuleSettings):
    """Items that were shown often enough without being opened stay away for a while."""

    shown_max: Annotated[
        int, Field(ge=1, le=10_000, description="impressions without an event on the item after which it stays away")
    ] = 5
    days: Annotated[int, Field(ge=1, le=365, description="days before the as-of in which they count")] = 7


class BoostedSettings(RuleSettings):
    """Items that count for more, or for less, than the ranker says."""

    items: Annotated[
        tuple[Boost, ...],
        Field(
            description="factors of relevance, which is 1 / log2(place + 1)",
            examples=[({"category": "news", "factor": 1.5, "ends": date(2030, 1, 1)},)],
        ),
    ] = ()


class CalibrationSettings(RuleSettings):
    """Categories of a list in the proportions of the user's history."""

    strength: Annotated[
        float, Field(ge=0, le=1, description="weight of the distance from the user's tastes against relevance")
    ] = 0.5


class DppSettings(RuleSettings):
    """A determinantal point process: relevant items that are unlike each other."""

    strength: Annotated[
        float, Field(ge=0, lt=1, description="weight of variety against relevance; 0 leaves the order as it is")
    ] = 0.5
    same_category: Annotated[float, Field(ge=0, le=1, description="likeness of two items of one category")] = 0.6
    same_creator: Annotated[float, Field(ge=0, le=1, description="likeness of two items of one creator")] = 0.2

    @model_validator(mode="after")
    def _require_unlike_items(self) -> Self:
        if self.same_category + self.same_creator >= 1:
            raise ValueError("same_category and same_creator add up to 1 or more; no two items would differ")
        return self


class BlendSettings(RuleSettings):
    """The order of a list by four weights."""

    relevance: Annotated[float, Field(ge=0, le=100, description="weight of 1 / log2(place + 1)")] = 1.0
    novelty: Annotated[
        float, Field(ge=0, le=100, description="weight of how few users know the item: self-information, scaled to 1")
    ] = 0.0
    diversity: Annotated[
        float, Field(ge=0, le=100, description="weight against items of the categories that were chosen already")
    ] = 0.0
    popularity: Annotated[
        float, Field(ge=0, le=100, description="weight of how many users chose the item, of the most chosen one's")
    ] = 0.0

    @property
    def orders(self) -> bool:
        """Whether any weight is above 0."""
        return any((self.relevance, self.novelty, self.diversity, self.popularity))


class QuotaSettings(RuleSettings):
    """At most, or at least, so many items of a category or of a creator."""

    category_max: Annotated[
        dict[Name, Count], Field(description="items of a category, at most", examples=[{"news": 3}])
    ] = {}  # noqa: RUF012 - a pydantic model copies its defaults
    category_min: Annotated[
        dict[Name, Count], Field(description="items of a category, at least", examples=[{"local": 1}])
    ] = {}  # noqa: RUF012 - a pydantic model copies its defaults
    creator_max: Annotated[
        dict[Name, Count], Field(description="items of a creator, at most", examples=[{"acme": 2}])
    ] = {}  # noqa: RUF012 - a pydantic model copies its defaults
    creator_min: Annotated[
        dict[Name, Count], Field(description="items of a creator, at least", examples=[{"acme": 1}])
    ] = {}  # noqa: RUF012 - a pydantic model copies its defaults
    max_per_creator: Annotated[
        int | None,
        Field(ge=1, le=1000, description="items of any one creator; unset, as many as come", examples=[3]),
    ] = None


class NewItemsSettings(RuleSettings):
    """A share of each list for items that were published lately."""

    share: Annotated[float, Field(ge=0, le=1, description="share of the list, rounded up to whole items")] = 0.1
    days: Annotated[Days, Field(description="days since its publication in which an item is new")] = 14.0


class CreatorFloorSettings(RuleSettings):
    """Every creator is in a share of the lists; which user sees which follows from their ids."""

    lists_share: Annotated[float, Field(gt=0, le=0.5, description="share of the lists that show each creator")] = 0.01
    places_max: Annotated[
        int, Field(ge=1, le=1000, description="places of one list that go to such creators, at most")
    ] = 1


class PinnedSettings(RuleSettings):
    """Items at fixed places."""

    items: Annotated[
        tuple[Pin, ...],
        Field(description="items and their places, from 1", examples=[({"item_id": "a", "place": 1},)]),
    ] = ()

    @field_validator("items")
    @classmethod
    def _refuse_two_at_a_time(cls, items: tuple[Pin, ...]) -> tuple[Pin, ...]:
        for at, pin in enumerate(items):
            for other in items[:at]:
                if pin.overlaps(other) and (pin.place == other.place or pin.item_id == other.item_id):
                    raise ValueError(
                        f"{other.item_id!r} at place {other.place} and {pin.item_id!r} at place {pin.place} hold on "
                        "the same days"
                    )
        return items


class RulesSettings(SettingGroup):
    """Rules beside those that always hold, in the order in which they are applied."""

    dismissed: DismissedSettings = DismissedSettings()
    frequency_cap: FrequencyCapSettings = FrequencyCapSettings()
    boosted: BoostedSettings = BoostedSettings()
    calibration: CalibrationSettings = CalibrationSettings()
    dpp: DppSettings = DppSettings()
    blend: BlendSettings = BlendSettings()
    new_items_min: NewItemsSettings = NewItemsSettings()
    creator_exposure_floor: CreatorFloorSettings = CreatorFloorSettings()
    quotas: QuotaSettings = QuotaSettings()
    pinned: PinnedSettings = PinnedSettings()

    def each(self) -> Iterator[tuple[str, RuleSettings]]:
        """Every rule's settings by its name."""
        for name in type(self).model_fields:
            yield name, cast("RuleSettings", getattr(self, name))

    def used(self) -> frozenset[str]:
        """Names of the rules that are on for anybody."""
        return frozenset(name for name, rule in self.each() if rule.is_used)

    def changed(self, given: Mapping[str, Mapping[str, Any]]) -> Self:
        """The same with what is given of some rules. Raises ValidationError where it is wrong."""
        base = self.model_dump()
        return type(self).model_validate(
            {**base, **{name: {**base.get(name, {}), **values} for name, values in given.items()}}
        )
