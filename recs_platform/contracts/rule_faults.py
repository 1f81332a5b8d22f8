"""What of the rules' settings contradicts itself, found when the settings are read. The settings: `rule_settings`."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from recs_platform.contracts.rule_settings import PinnedSettings, QuotaSettings, RulesSettings
from recs_platform.contracts.shared_settings import ExplorationSettings
from recs_platform.contracts.spelling import did_you_mean
from recs_platform.contracts.surface_settings import DEFAULT_SURFACE, SurfaceSettings

# Those of the model segments.user_segments, which a test compares.
SEGMENT_IDS = ("brand_new", "newcomer", "converter", "power", "regular", "casual", "lapsing", "dormant")
# Each of them makes the whole order of a list.
ORDERS = ("calibration", "dpp", "blend")
Fault = tuple[tuple[str, ...], str]


@dataclass(frozen=True)
class ListLimits:
    """What rules must fit in: length of a list, items of a category, `diversity`, last places drawn by chance."""

    k: int
    max_per_category: int
    diversity: float
    slots: int

    def of(self, surface: SurfaceSettings) -> "ListLimits":
        """Those of a surface, on which nothing is drawn."""
        diversity = self.diversity if surface.diversity is None else surface.diversity
        return ListLimits(surface.k or self.k, surface.max_per_category or self.max_per_category, diversity, 0)


def surface_rules(rules: RulesSettings, surface: SurfaceSettings) -> RulesSettings:
    """Rules as a surface has them. Raises ValidationError."""
    return rules.changed(surface.rules)


def rule_faults(rules: RulesSettings, limits: ListLimits) -> Iterator[Fault]:
    """Setting and sentence of each contradiction, those of segments too."""
    segments = sorted({segment for _, rule in rules.each() for segment in rule.segments})
    for name, rule in rules.each():
        for segment_id in rule.segments:
            if segment_id not in SEGMENT_IDS:
                yield ("rules", name, "segments", segment_id), _no_segment(segment_id)
    for segment_id in (None, *segments):
        for name, text in _contradictions(rules, segment_id, limits):
            rule = getattr(rules, name)
            inside = segment_id is not None and segment_id in rule.segments
            where = ("rules", name, *(("segments", str(segment_id)) if inside else ()))
            yield where, text + (f" (segment {segment_id!r})" if segment_id is not None else "")


def plan_faults(exploration: ExplorationSettings, retrieval_segments: Iterable[str], k: int) -> Iterator[Fault]:
    """The same of exploration, and segments that retrieval names and nobody is in."""
    for segment_id in retrieval_segments:
        if segment_id not in SEGMENT_IDS:
            yield ("retrieval", "segments", segment_id), _no_segment(segment_id)
    if exploration.slots > k:
        yield ("exploration", "slots"), f"{exploration.slots} places are more than the {k} of a list"
    if exploration.candidates < exploration.slots:
        yield ("exploration", "candidates"), f"{exploration.candidates} items cannot fill {exploration.slots} slots"


def _no_segment(segment_id: str) -> str:
    hint = did_you_mean(segment_id, SEGMENT_IDS) or f"; there are: {', '.join(SEGMENT_IDS)}"
    return f"is no segment of segments.user_segments{hint}"


def surface_faults(name: str, surface: SurfaceSettings, rules: RulesSettings, limits: ListLimits) -> Iterator[Fault]:
    """The same of one surface."""
    where = ("surfaces", name)
    if name == DEFAULT_SURFACE:
        yield where, f"{name!r} is the list that is no surface's; set its k and rules outside, or choose another name"
    both = sorted(set(surface.categories) & set(surface.without_categories))
    if both:
        yield (*where, "categories"), f"{both} are asked for and left out"
    if not surface.personal and surface.board is None:
        yield (*where, "personal"), "false needs a board to show"
    known = tuple(RulesSettings.model_fields)
    for rule in surface.rules:
        if rule not in known:
            hint = did_you_mean(rule, known) or f"; there are: {', '.join(known)}"
            yield (*where, "rules", rule), f"is no such rule{hint}"
            return
    try:
        theirs = surface_rules(rules, surface)
    except ValidationError as error:
        fault = error.errors()[0]
        loc = tuple(str(part) for part in fault["loc"])
        yield (*where, "rules", *loc), fault["msg"].removeprefix("Value error, ")
        return
    for loc, text in rule_faults(theirs, limits.of(surface)):
        given = loc[1] in surface.rules
        yield (*where, *(loc if given else ())), text if given else f"{'.'.join(loc)} does not fit here: {text}"


def _contradictions(rules: RulesSettings, segment_id: str | None, limits: ListLimits) -> Iterator[tuple[str, str]]:
    """Name of the rule and a sentence, of what holds for one segment."""
    on = {name: rule.of(segment_id) for name, rule in rules.each() if rule.of(segment_id).enabled}
    orders = [name for name in ORDERS if name in on]
    if len(orders) > 1:
        yield orders[-1], f"{' and '.join(orders)} each make the whole order; leave one on"
    if orders and limits.diversity and segment_id is None:
        yield orders[0], f"diversity = {limits.diversity:g} makes the whole order too; leave one on"
    if "blend" in on and not rules.blend.of(segment_id).orders:
        yield "blend", "every weight is 0: nothing is left to order by"
    if "creator_exposure_floor" in on and rules.creator_exposure_floor.of(segment_id).places_max > limits.k:
        yield "creator_exposure_floor", f"places_max is more than the {limits.k} places of a list"
    if "quotas" in on:
        yield from (("quotas", text) for text in _quota_faults(rules.quotas.of(segment_id), limits))
    if "pinned" in on:
        yield from (("pinned", text) for text in _pin_faults(rules.pinned.of(segment_id), limits))


def _quota_faults(quotas: QuotaSettings, limits: ListLimits) -> Iterator[str]:
    for kind, least, most, cap in (
        ("category", quotas.category_min, quotas.category_max, limits.max_per_category),
        ("creator", quotas.creator_min, quotas.creator_max, quotas.max_per_creator or limits.k),
    ):
        wanted = sum(least.values())
        if wanted > limits.k:
            yield f"{kind}_min asks for {wanted} items in all, and a list has {limits.k}"
        for name, count in least.items():
            allowed = min(most.get(name, cap), cap)
            if count > allowed:
                yield f"{kind}_min asks for {count} items of {name!r}, of which at most {allowed} are allowed"


def _pin_faults(pinned: PinnedSettings, limits: ListLimits) -> Iterator[str]:
    for at, pin in enumerate(pinned.items):
        if pin.place > limits.k:
            yield f"items[{at}]: {pin.item_id!r} is pinned to place {pin.place} of a list of {limits.k}"
        elif pin.place > limits.k - limits.slots:
            yield (
                f"items[{at}]: {pin.item_id!r} is pinned to place {pin.place}, and the last {limits.slots} places are "
                "drawn by chance (exploration.slots)"
            )


def first_fault(
    rules: RulesSettings, surfaces: dict[str, SurfaceSettings], limits: ListLimits
) -> tuple[Sequence[str], str] | None:
    """The first contradiction; None where there is none."""
    everywhere = rule_faults(rules, limits)
    on_surfaces = (fault for name, each in surfaces.items() for fault in surface_faults(name, each, rules, limits))
    return next((fault for faults in (everywhere, on_surfaces) for fault in faults), None)
