"""What a query asks a list for: its parameters by name, and the codes that a bundle has for what they name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.serving.live_lists import Asked
from recs_platform.serving.parameters import read_k
from recs_platform.serving.problems import Problem
from recs_platform.stages.releases.bundle.content import context_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recs_platform.serving.state import Serving
    from recs_platform.stages.releases.bundle import Bundle

LIST_PARAMETERS = (
    "k", "cursor", "surface", "session_id", "device", "country", "region", "category", "exclude", "explain",
)  # fmt: skip
CONTEXTS = (c.REGION, c.DEVICE, c.COUNTRY)
_EXCLUDE_MAX = 200


def checked_asked(serving: Serving, bundle: Bundle, stored: str, query: Mapping[str, str]) -> Asked:
    """What a query asks of the bundle that answers. Raises Problem for whatever there is not."""
    settings, surface = serving.settings, query.get("surface")
    places = (*settings.surfaces, *(name for name in bundle.surfaces if name not in settings.surfaces))
    if surface is not None and surface not in places:
        known = ", ".join(places)
        raise Problem("invalid_parameter", f"there is no such surface; there are: {known}", parameter="surface")
    if query.get("explain", "false") not in ("true", "false"):
        raise Problem("invalid_parameter", "explain is true or false", parameter="explain")
    return read_asked(serving, bundle, stored, query)


def read_asked(serving: Serving, bundle: Bundle, stored: str, query: Mapping[str, str]) -> Asked:
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
