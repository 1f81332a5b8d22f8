"""A list that somebody looks at: what it was asked for, and its places as far as they were worked out.

A list is a sequence that is worked out as far as somebody looks: pages of one list never repeat an item, and what
happens meanwhile changes the next list, not this one. What is in it: `lists`.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice

import msgspec

from recs_platform.serving.explaining import Trace
from recs_platform.stages.releases.bundle import Bundle
from recs_platform.stages.releases.bundle.places import Place


class Asked(msgspec.Struct, frozen=True, gc=False):
    """What a list was asked for. `contexts`: fallback rankings to try first. `category`: a code, None for all.

    `is_forgotten`: nothing of the user is looked up any more. `surface`: where it is shown, None for anywhere.
    `explain`: notes are taken for `explaining`.
    """

    user_id: str
    contexts: tuple[str, ...] = ()
    session_id: str | None = None
    category: int | None = None
    exclude: frozenset[int] = frozenset()
    block: int = 10
    is_forgotten: bool = False
    surface: str | None = None
    explain: bool = False


class LiveList:
    """A list of one user, worked out as far as it was looked at. `variants`: by experiment, what it was made under.

    `remake` gives the places anew, always the same, so that tens of thousands of lists can be remembered without them;
    what it holds for that takes `recipe_bytes`.
    """

    __slots__ = ("_known", "_places", "_remake", "_shown", "asked", "bundle", "recipe_bytes", "trace", "variants")

    def __init__(
        self,
        bundle: Bundle,
        asked: Asked,
        places: Iterator[Place] | None,
        variants: Mapping[str, str],
        trace: Trace | None,
        *,
        remake: Callable[[], Iterator[Place]] | None = None,
        recipe_bytes: int = 0,
    ) -> None:
        self.recipe_bytes = recipe_bytes
        self.bundle, self.asked, self.variants, self.trace = bundle, asked, variants, trace
        self._places, self._remake = places, remake
        # A list of a named type would be named anew each time, which takes as long as all the rest.
        self._known: list[Place] = []
        self._shown = 0

    @property
    def known_count(self) -> int:
        """How many places are held."""
        return len(self._known)

    def let_go(self) -> None:
        """Keep no places that can be worked out again."""
        if self._remake is not None:
            self._known, self._places = [], None

    def note_shown(self, count: int) -> None:
        """Take note that the first `count` places were shown, without working them out."""
        self._shown = max(self._shown, count)

    def page(self, first: int, count: int) -> list[Place]:
        """Places `first` (from 0) to `first + count`; fewer where the list ends."""
        self._shown = max(self._shown, first + count)
        return self.upto(first + count)[first:]

    def upto(self, count: int) -> list[Place]:
        """The first `count` places, whether or not they are shown."""
        if len(self._known) < count and self._places is None and self._remake is not None:
            self._places = islice(self._remake(), len(self._known), None)
        while self._places is not None and len(self._known) < count:
            place = next(self._places, None)
            if place is None:
                break
            self._known.append(place)
        return self._known[:count]

    def known(self, count: int) -> list[Place]:
        """The first `count` places that were worked out so far."""
        return self._known[:count]

    def afresh(self) -> Iterator[Place]:
        """All places, from the first on, of which nothing is kept where they can be worked out again."""
        return self.onward() if self._remake is None else self._remake()

    def onward(self) -> Iterator[Place]:
        """All places, from the first on."""
        place = 0
        while len(self.upto(place + 1)) > place:
            yield self._known[place]
            place += 1

    def seen(self) -> list[Place]:
        """Places of the pages that were asked for so far."""
        return self.upto(self._shown)
