"""What each endpoint says, from a bundle and what is known of the moment; HTTP itself is in `front` and `routes`."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from recs_platform.contracts import columns as c
from recs_platform.contracts.exposures import list_id, variant_label
from recs_platform.contracts.http_documents import (
    PopularItems,
    Recommendations,
    RecommendedItem,
    ReleaseInForce,
    ScoredItem,
    SimilarItems,
)
from recs_platform.serving.dismissals import Dismissals
from recs_platform.serving.drafting import drafted
from recs_platform.serving.explaining import explanations
from recs_platform.serving.ids import random_id
from recs_platform.serving.kept import asked_again, resumed
from recs_platform.serving.lists import Asked, LiveList, live_list
from recs_platform.serving.parameters import checked_id, read_k
from recs_platform.serving.problems import Problem
from recs_platform.serving.remembered import RememberedLists, cursor_of
from recs_platform.serving.stored_pages import PageCache
from recs_platform.serving.treatments import UNTREATED
from recs_platform.stages.releases.bundle.content import context_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from recs_platform.evaluation.experiments.canary import Side
    from recs_platform.serving.canary import Canary
    from recs_platform.serving.kept import KeptList
    from recs_platform.serving.learning import Learned
    from recs_platform.serving.metrics import VariantMetrics
    from recs_platform.serving.sessions import Sessions
    from recs_platform.serving.shared import Shared
    from recs_platform.serving.treatments import Treatment
    from recs_platform.serving.variants import Variants
    from recs_platform.serving.watch import BundleWatch
    from recs_platform.settings import ServingSettings
    from recs_platform.stages.releases.bundle import Bundle

LIST_PARAMETERS = (
    "k", "cursor", "surface", "session_id", "device", "country", "region", "category", "exclude", "explain",
)  # fmt: skip
CONTEXTS = (c.REGION, c.DEVICE, c.COUNTRY)
_EXCLUDE_MAX = 200


@dataclass
class Serving:
    """What answers share: settings, the bundle in force, sessions, shown lists, and the home's name of a user id.

    `learned`: what the stream taught since the release, None where `serving.learning` is off. `shared`: what
    other processes know, None where this one serves alone. `forgotten`: users, as they are stored, who asked to be
    forgotten and may still be in the bundle. `pages`: answers that were made before, of nobody who is forgotten.
    """

    settings: ServingSettings
    watch: BundleWatch
    canary: Canary
    sessions: Sessions
    lists: RememberedLists
    variants: Variants
    metrics: VariantMetrics
    stored_name: Callable[[str], str]
    learned: Learned | None = None
    shared: Shared | None = None
    forgotten: set[str] = field(default_factory=set[str])
    pages: PageCache = field(default_factory=PageCache)
    dismissals: Dismissals = field(default_factory=Dismissals)

    @property
    def bundle(self) -> Bundle:
        """The bundle of whoever is in no trial of a new release. Raises Problem `not_ready`."""
        return self.canary.for_everybody(self.watch.bundle)

    def users(self) -> set[str]:
        """Of whom anything is in memory, as they are stored."""
        learned = () if self.learned is None else self.learned.users()
        found = self.sessions.users(), self.lists.users(), self.dismissals.users(), learned
        return {user for users in found for user in users} - self.forgotten

    def forget(self, user_id: str) -> None:
        """Drop what is in memory of a user, look nothing of them up any more, and let the shared store forget too."""
        self.forget_stored(self.stored_name(user_id))

    def forget_stored(self, stored: str) -> None:
        """The same of a user by the home's name."""
        self.forgotten.add(stored)
        self.pages.clear()
        self.sessions.forget(stored)
        self.lists.forget(stored)
        self.dismissals.forget(stored)
        if self.learned is not None:
            self.learned.forget(stored)
        if self.shared is not None:
            self.shared.forget_user_soon(stored)


def recommendations(serving: Serving, user_id: str, query: Mapping[str, str], request_id: str) -> Recommendations:
    """A page of the user's list. Raises Problem for a wrong parameter or cursor, and where no release is in force."""
    read_k(query, 1)  # whatever else is wrong or over: a number that is none is said first
    if "cursor" in query:
        recommendation_id, first, made = serving.lists.at(
            query["cursor"], lambda list_id, kept: _resumed(serving, kept, serving.stored_name(user_id), list_id)
        )
        if made.asked.user_id != serving.stored_name(user_id):
            raise Problem("invalid_parameter", "the cursor is of another user's list", parameter="cursor")
        if set(query) - {"cursor", "k"}:
            raise Problem("invalid_parameter", "with a cursor only k may be given: the rest belongs to the list")
    else:
        first, (recommendation_id, made) = 0, _new_list(serving, user_id, query)
        serving.lists.add(recommendation_id, made)
    k = read_k(query, made.asked.block)
    page = made.page(first, k)
    bundle, ids = made.bundle, made.bundle.item_ids
    now = datetime.now(UTC)
    has_more = len(made.upto(first + k + 1)) > first + k
    made.let_go()
    return Recommendations(
        user_id=user_id,
        request_id=request_id,
        recommendation_id=recommendation_id,
        release_id=bundle.release_id,
        as_of=bundle.manifest.as_of,
        variant=variant_label(made.variants),
        expires_at=now + timedelta(minutes=serving.settings.list_minutes),
        items=[
            RecommendedItem(rank, ids[each.item], each.score, each.reason, each.sources, each.propensity, why)
            for rank, (each, why) in enumerate(
                zip(page, explanations(bundle, made.trace, page), strict=True), first + 1
            )
        ],
        next_cursor=cursor_of(recommendation_id, first + k) if has_more else None,
    )


def _new_list(serving: Serving, user_id: str, query: Mapping[str, str]) -> tuple[str, LiveList]:
    """A list and its id, which names the variants it was made under."""
    settings, stored = serving.settings, serving.stored_name(user_id)
    bundle, treatment, side = released_for(serving, stored)
    asked = checked_asked(serving, bundle, stored, query)
    key, session, weight = random_id(), serving.sessions.of(stored), settings.session_weight
    away = serving.dismissals.unknown_to(bundle, stored)
    if not treatment.variants and side is None:
        return key, live_list(bundle, asked, session, weight, learned=serving.learned, dismissed=away)
    started, is_made, variants = time.perf_counter(), False, treatment.variants
    try:
        made = live_list(bundle, asked, session, weight, treatment, seed=key, learned=serving.learned, dismissed=away)
        variants = made.variants  # none where the list is that of a surface, which no variant changes
        if variants and treatment.drafting is not None:
            made = _drafted(serving, bundle, treatment, lambda opened: _asked(serving, opened, stored, query), key)
        made.upto(asked.block)
        is_made = True
    finally:
        seconds = time.perf_counter() - started
        serving.metrics.add(variants, seconds, failed=not is_made)
        if side is not None:
            serving.canary.count_list(side, stored, seconds, failed=not is_made)
    return list_id(key, variants), made


def _drafted(
    serving: Serving, bundle: Bundle, treatment: Treatment, asked_of: Callable[[Bundle], Asked], key: str
) -> LiveList:
    """The list that both variants of an interleaving draft."""
    names, lists = list[str](), list[LiveList]()
    for name, each in treatment.drafting or ():
        opened = each.bundle or bundle
        asked, weight = asked_of(opened), serving.settings.session_weight
        session = serving.sessions.of(asked.user_id)
        names.append(name)
        away = serving.dismissals.unknown_to(opened, asked.user_id)
        lists.append(live_list(opened, asked, session, weight, each, f"{key} {name}", serving.learned, away))
    return drafted(lists[0], lists[1], (names[0], names[1]), treatment.variants, key)


def checked_asked(serving: Serving, bundle: Bundle, stored: str, query: Mapping[str, str]) -> Asked:
    """What a query asks of the bundle that answers. Raises Problem for whatever there is not."""
    settings, surface = serving.settings, query.get("surface")
    places = (*settings.surfaces, *(name for name in bundle.surfaces if name not in settings.surfaces))
    if surface is not None and surface not in places:
        known = ", ".join(places)
        raise Problem("invalid_parameter", f"there is no such surface; there are: {known}", parameter="surface")
    if query.get("explain", "false") not in ("true", "false"):
        raise Problem("invalid_parameter", "explain is true or false", parameter="explain")
    return _asked(serving, bundle, stored, query)


def _asked(serving: Serving, bundle: Bundle, stored: str, query: Mapping[str, str]) -> Asked:
    """What a query asks of a bundle. Raises Problem for a category that it does not know, and for a wrong number."""
    return Asked(
        stored,
        contexts=tuple(context_of(name, query[name]) for name in CONTEXTS if name in query),
        session_id=query.get("session_id"),
        category=_category(bundle, query.get("category")),
        exclude=_excluded(bundle, query.get("exclude", "")),
        block=read_k(query, bundle.rules.k),
        is_forgotten=stored in serving.forgotten,
        surface=query.get("surface"),
        explain=query.get("explain") == "true",
    )


def _resumed(serving: Serving, kept: KeptList, stored: str, list_id: str) -> LiveList | None:
    """A list that another process kept, None where it is another user's, or of a release that does not answer them.

    Raises Problem `cursor_expired` where the bundle does not know what it was asked for.
    """
    if not serving.lists.is_of(kept, stored) or stored in serving.forgotten:
        return None
    bundle, treatment, _ = released_for(serving, stored)
    if bundle.release_id != kept.release_id:
        return None
    is_drafted = treatment.drafting is not None and kept.variants == treatment.variants
    seed = f"{list_id} from {len(kept.places)}"  # coins of their own: those of the first places were tossed

    def asked_of(opened: Bundle) -> Asked:
        """What is left to ask for, so that chances are those among what is left."""
        asked = asked_again(kept, opened, stored)
        shown = (opened.item(each.item_id) for each in kept.places)
        return msgspec.structs.replace(asked, exclude=asked.exclude.union(code for code in shown if code is not None))

    def rest(asked: Asked) -> LiveList:
        if is_drafted:
            return _drafted(serving, bundle, treatment, asked_of, seed)
        if treatment.exploration:
            asked = asked_of(bundle)
        weight = serving.settings.session_weight
        session, away = serving.sessions.of(stored), serving.dismissals.unknown_to(bundle, stored)
        return live_list(bundle, asked, session, weight, treatment, seed, serving.learned, away)

    return resumed(kept, bundle, asked_again(kept, bundle, stored), rest)


def released_for(serving: Serving, stored: str) -> tuple[Bundle, Treatment, Side | None]:
    """The bundle a user is answered from, what variants do to it, and where a canary counts it."""
    if stored in serving.forgotten:
        return serving.bundle, UNTREATED, None
    bundle, side = serving.canary.bundle_for(stored, serving.watch.bundle)
    if serving.variants.are_none:
        return bundle, UNTREATED, side
    treatment = serving.variants.treatment(stored, bundle, datetime.now(UTC).date())
    return treatment.bundle or bundle, treatment, side if treatment.bundle is None else None


def _category(bundle: Bundle, name: str | None) -> int | None:
    if name is None:
        return None
    if name not in bundle.categories:
        raise Problem("invalid_parameter", "the release knows no such category", parameter="category")
    return bundle.categories.index(name)


def _excluded(bundle: Bundle, text: str) -> frozenset[int]:
    """Codes of the items named, separated by commas; items that the release does not know are not shown anyway."""
    names = [name for name in text.split(",") if name]
    if len(names) > _EXCLUDE_MAX:
        raise Problem("invalid_parameter", f"exclude names at most {_EXCLUDE_MAX} items", parameter="exclude")
    return frozenset(code for name in names if (code := bundle.item(name)) is not None)


def similar(serving: Serving, item_id: str, k: int) -> SimilarItems:
    """Available neighbours of an item. Raises Problem `unknown_item` for one that the release does not know."""
    bundle = serving.bundle
    item = bundle.item(checked_id(item_id))
    if item is None:
        raise Problem("unknown_item", f"release {bundle.release_id} has no such item")
    codes, scores = bundle.neighbours(item)
    rows = [(code, score) for code, score in zip(codes.tolist(), scores.tolist(), strict=True) if _shown(bundle, code)]
    return SimilarItems(item_id, bundle.release_id, _scored(bundle, rows[:k]))


def popular(serving: Serving, k: int, *, device: str | None, country: str | None, region: str | None) -> PopularItems:
    """Popular items of the narrowest context there is a ranking of, everybody's else."""
    bundle = serving.bundle
    given = ((c.REGION, region), (c.DEVICE, device), (c.COUNTRY, country))
    asked = tuple(context_of(name, value) for name, value in given if value is not None)
    name, items = bundle.fallback(asked)[0]
    codes: list[int] = items.tolist()
    rows = [(code, 1.0 / rank) for rank, code in enumerate(codes, 1) if _shown(bundle, code)]
    return PopularItems(name, bundle.release_id, _scored(bundle, rows[:k]))


def release_in_force(serving: Serving) -> ReleaseInForce:
    """The release that answers now."""
    bundle = serving.bundle
    found = bundle.manifest
    return ReleaseInForce(
        bundle.release_id, found.version, found.as_of, found.sealed_at, bundle.n_users, bundle.n_items
    )


def _shown(bundle: Bundle, item: int) -> bool:
    """Whether an item may be shown to somebody of whom nothing is known."""
    return bool(bundle.is_available[item]) and item not in bundle.excluded_in(bundle.region_of(None))


def _scored(bundle: Bundle, rows: list[tuple[int, float]]) -> list[ScoredItem]:
    return [
        ScoredItem(rank, bundle.item_ids[code], bundle.titles[code], score)
        for rank, (code, score) in enumerate(rows, 1)
    ]
