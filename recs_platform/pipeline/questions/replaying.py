"""One user's list made again as of the release in force, to say which step moved an item or took its place."""

from dataclasses import asdict
from typing import Any

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import Manifest
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.lists.exploring import hold_out
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.questions.one_list import OneList
from recs_platform.stages import reranking

OTHERWISE = "the settings, rules or data of now make another list than the released one, so no rule is named"
HELD_OUT = (
    "the user is in the comparison group (exploration.holdout_share), which gets popular items, and others come first"
)
SHARED = "the user was not active lately and gets a list that many share, of popular items, and others come first"
DRAWN_OVER = "the rules left it at place {}, where chance (exploration.slots) drew another item"
UNRANKED = "not ranked for the user, it was there to fill the list or for a rule that asks for it"
PUT_BEHIND = "{}; the rule '{}' put it from place {} to {} of a list of {}"
REFUSED = "it was released at rank {}, and the user opted out since: the list is of popular items by now"
TAKEN_OUT = (
    "it was released at rank {}, and may be shown no more: withdrawn, blocked, out of its time or not where the user is"
)


def replay(
    platform: Platform,
    release: Manifest,
    known: OneList,
    item: str,
    ranked: int | None,
    *,
    has_refused: bool = False,
) -> dict[str, Any]:
    """`steps`, the rules that moved the item, and `obstacle`, why it is not in the list; each where there is any.

    `ranked`: the item's rank before the rules, None where it has none. `has_refused`: whether the user has opted out
    since the release. Where the list that is made now is not the released one, `not_replayed` says so in their place:
    nothing is told that did not happen.
    """
    stored, context = known.released, known.context
    there = stored.filter(pl.col(c.ITEM_ID) == item)
    why = REFUSED if has_refused else TAKEN_OUT
    taken_out = {"obstacle": why.format(there[c.RANK][0])} if there.height else {}
    unordered = _why_unordered(known)
    if unordered is not None:
        return taken_out or {"obstacle": unordered}
    run = AsOfRun(platform, release.as_of, release.known_at, keeps_events=False)
    own = platform.own_rules.rules
    again = known.made_again(run, own)
    if hold_out(run, context.users).len() or again[c.ITEM_ID].to_list() != stored[c.ITEM_ID].to_list():
        return taken_out | {"not_replayed": OTHERWISE}
    trace = reranking.trace_item(known.ranked, context, item, own, known.exploration(run))
    told: dict[str, Any] = {"steps": [asdict(step) for step in trace.steps]} if trace.steps else {}
    obstacle = _obstacle(trace, ranked, context.k)
    return told | ({} if obstacle is None else {"obstacle": obstacle}) | taken_out


def _why_unordered(known: OneList) -> str | None:
    """Why no rule ordered the user's released list, None where rules did."""
    if known.is_held_out:
        return HELD_OUT
    return SHARED if known.is_dormant and known.surface is None else None  # of surfaces nobody shares a list


def _obstacle(trace: reranking.Trace, ranked: int | None, k: int) -> str | None:
    """The step at which an item left the first k for good; None where it was never among them."""
    if trace.place is not None and trace.place <= k:
        return DRAWN_OVER.format(trace.place)
    out = next((step for step in reversed(trace.steps) if step.place_before <= k < step.place_after), None)
    if out is None:
        return None
    before = UNRANKED if ranked is None else f"rank {ranked} before the rules"
    return PUT_BEHIND.format(before, out.rule, out.place_before, out.place_after, k)
