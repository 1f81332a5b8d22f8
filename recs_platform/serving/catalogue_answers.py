"""What the endpoints say that are of no user: similar items, popular items, the release in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.contracts.http_documents import PopularItems, ReleaseInForce, ScoredItem, SimilarItems
from recs_platform.serving.parameters import checked_id
from recs_platform.serving.problems import Problem
from recs_platform.stages.releases.bundle.content import context_of

if TYPE_CHECKING:
    from recs_platform.serving.state import Serving
    from recs_platform.stages.releases.bundle import Bundle


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
