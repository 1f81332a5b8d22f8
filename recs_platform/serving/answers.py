"""A page of a user's list as it is answered. HTTP itself is in `front`; answers of no user, in `catalogue_answers`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recs_platform.contracts.exposures import variant_label
from recs_platform.contracts.http_documents import Recommendations, RecommendedItem
from recs_platform.serving.explaining import explanations
from recs_platform.serving.new_lists import new_list, resumed_list
from recs_platform.serving.parameters import read_k
from recs_platform.serving.problems import Problem
from recs_platform.serving.remembered import cursor_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recs_platform.serving.live_lists import LiveList
    from recs_platform.serving.state import Serving


def recommendations(serving: Serving, user_id: str, query: Mapping[str, str], request_id: str) -> Recommendations:
    """A page of the user's list. Raises Problem for a wrong parameter or cursor, and where no release is in force."""
    read_k(query, 1)  # whatever else is wrong or over: a number that is none is said first
    if "cursor" in query:
        recommendation_id, first, made = _list_of_cursor(serving, user_id, query)
    else:
        first, (recommendation_id, made) = 0, new_list(serving, user_id, query)
    count = read_k(query, made.asked.block)
    items = _items(made, first, count)
    has_more = len(made.upto(first + count + 1)) > first + count
    made.let_go()
    if "cursor" in query:
        serving.lists.weigh(recommendation_id)
    else:
        serving.lists.add(recommendation_id, made)
    bundle, stored = made.bundle, made.asked.user_id
    user = None if bundle.is_opted_out(stored) else bundle.user(stored)
    return Recommendations(
        user_id=user_id,
        request_id=request_id,
        recommendation_id=recommendation_id,
        release_id=bundle.release_id,
        as_of=bundle.manifest.as_of,
        variant=variant_label(made.variants),
        expires_at=serving.meant_until(bundle, user),
        items=items,
        next_cursor=cursor_of(recommendation_id, first + count) if has_more else None,
    )


def _list_of_cursor(serving: Serving, user_id: str, query: Mapping[str, str]) -> tuple[str, int, LiveList]:
    """Id, first place and list of the cursor of a query. Raises Problem for one that is not this user's, or is over."""
    stored = serving.stored_name(user_id)
    recommendation_id, first, made = serving.lists.at(
        query["cursor"], lambda list_id, kept: resumed_list(serving, kept, stored, list_id)
    )
    if made.asked.user_id != stored:
        raise Problem("invalid_parameter", "the cursor is of another user's list", parameter="cursor")
    if set(query) - {"cursor", "k"}:
        raise Problem("invalid_parameter", "with a cursor only k may be given: the rest belongs to the list")
    return recommendation_id, first, made


def _items(made: LiveList, first: int, count: int) -> list[RecommendedItem]:
    """Places `first` (from 0) to `first + count` as they are sent."""
    page, ids = made.page(first, count), made.bundle.item_ids
    explained = zip(page, explanations(made.bundle, made.trace, page), strict=True)
    return [
        RecommendedItem(rank, ids[each.item], each.score, each.reason, each.sources, each.propensity, why)
        for rank, (each, why) in enumerate(explained, first + 1)
    ]
