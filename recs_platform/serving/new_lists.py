"""Lists that begin now, under the variants a user is in, and lists of other processes that go on here.

What is in a list is worked out in `lists`; a page of one is answered in `answers`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from recs_platform.contracts.exposures import list_id
from recs_platform.serving.asking import checked_asked, read_asked
from recs_platform.serving.drafting import drafted
from recs_platform.serving.ids import random_id
from recs_platform.serving.kept import asked_again, resumed
from recs_platform.serving.lists import live_list
from recs_platform.serving.live_lists import Asked, LiveList
from recs_platform.serving.state import Serving, released_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from recs_platform.serving.kept import KeptList
    from recs_platform.serving.treatments import Treatment
    from recs_platform.stages.releases.bundle import Bundle


def new_list(serving: Serving, user_id: str, query: Mapping[str, str]) -> tuple[str, LiveList]:
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
            made = _drafted(serving, bundle, treatment, lambda opened: read_asked(serving, opened, stored, query), key)
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


def resumed_list(serving: Serving, kept: KeptList, stored: str, list_id: str) -> LiveList | None:
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
