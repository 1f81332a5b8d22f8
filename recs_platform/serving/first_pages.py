"""The answer that is asked for most: the first page of the list of a user to whom nothing happened since the release.

It waits for nothing, so that it may be given before a task is made for the request. Every other one: `answers`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

import msgspec

from recs_platform.contracts.exposures import NO_VARIANT
from recs_platform.contracts.http_documents import Recommendations, RecommendedItem
from recs_platform.serving.asking import LIST_PARAMETERS, checked_asked
from recs_platform.serving.ids import random_id
from recs_platform.serving.lists import codes_of, packed, released_again
from recs_platform.serving.live_lists import Asked, LiveList
from recs_platform.serving.parameters import read_query
from recs_platform.serving.remembered import cursor_of
from recs_platform.serving.state import released_for
from recs_platform.serving.stored_pages import stored_items
from recs_platform.serving.treatments import UNTREATED

if TYPE_CHECKING:
    from recs_platform.serving.state import Serving
    from recs_platform.stages.releases.bundle import Bundle

_ENCODER = msgspec.json.Encoder()
_NOTHING = frozenset[int]()
_NO_VARIANTS: dict[str, str] = {}


def first_page(serving: Serving, user_id: str, raw_query: bytes, request_id: str) -> tuple[str, bytes] | None:
    """Id and document of a list that is stored as it is to be shown; None where `answers` has to work it out.

    That is so for strangers, who opted out or is in a variant, after a click, with an explanation or a category, on a
    surface with lists of its own, and where the released list is too short or not in the order of the page.
    Raises Problem as `answers.recommendations` does.
    """
    stored = serving.stored_name(user_id)
    if stored in serving.forgotten:
        return None
    bundle, treatment, side = released_for(serving, stored)
    if treatment is not UNTREATED or side is not None:
        return None
    serving.pages.follow(bundle)
    found = serving.pages.asked(raw_query, lambda: _read_asked(serving, bundle, raw_query))
    if found is None or found.explain or found.category is not None or found.surface in bundle.surfaces:
        return None
    asked = Asked(stored, found.contexts, found.session_id, None, found.exclude, found.block, surface=found.surface)
    made = _list(serving, bundle, asked)
    if made is None:
        return None
    user, items, places = made
    list_id = random_id()
    serving.lists.add(list_id, places)
    return list_id, _ENCODER.encode(
        Recommendations(
            user_id=user_id,
            request_id=request_id,
            recommendation_id=list_id,
            release_id=bundle.release_id,
            as_of=bundle.manifest.as_of,
            variant=NO_VARIANT,
            expires_at=serving.meant_until(bundle, user),
            items=cast("list[RecommendedItem]", items),
            next_cursor=cursor_of(list_id, asked.block),
        )
    )


def _read_asked(serving: Serving, bundle: Bundle, raw_query: bytes) -> Asked | None:
    """What a query asks of nobody in particular; None of one that asks for another page."""
    query = read_query(raw_query, LIST_PARAMETERS)
    return None if "cursor" in query else checked_asked(serving, bundle, "", query)


def _list(serving: Serving, bundle: Bundle, asked: Asked) -> tuple[int, msgspec.Raw, LiveList] | None:
    """The user, items of the first page as JSON, and the list to remember; None of whom something happened since."""
    session = serving.sessions.of(asked.user_id)
    if session is not None and session.steps:
        return None
    if serving.learned is not None and serving.learned.chosen(asked.user_id):
        return None
    user, is_opted_out = bundle.user_and_choice(asked.user_id)
    if user is None or is_opted_out:
        return None
    away = serving.dismissals.unknown_to(bundle, asked.user_id)
    if session is not None:
        away += session.gone
    gone = frozenset(codes_of(bundle, away)) if away else _NOTHING
    if gone or asked.exclude:
        items = stored_items(bundle, user, asked.block, gone | asked.exclude)
    else:
        items = _items(serving, bundle, user, asked.block)
    if items is None:
        return None
    codes = packed(gone)
    remake = partial(released_again, bundle, user, asked, codes)
    made = LiveList(bundle, asked, None, _NO_VARIANTS, None, remake=remake, recipe_bytes=codes.nbytes)
    made.note_shown(asked.block)
    return user, items, made


def _items(serving: Serving, bundle: Bundle, user: int, count: int) -> msgspec.Raw | None:
    """Items of a page from which nothing is gone: sealed with the release, or made once."""
    if count == bundle.rules.k and (sealed := bundle.page(user)):
        serving.pages.sealed_count += 1
        return msgspec.Raw(sealed)
    return serving.pages.items(user, count, lambda: stored_items(bundle, user, count, _NOTHING))
