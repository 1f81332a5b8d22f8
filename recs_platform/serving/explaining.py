"""Why each item is at its place: what was noted while the list was made, and what the release holds of the item.

Notes are taken of lists that were asked for with `explain=true` alone. Which batch rule moved an item is not in a
bundle: the ranks before and after all of them are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

from recs_platform.contracts.http_documents import Explanation, Move, SessionShare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recs_platform.serving.rescoring import Rescored
    from recs_platform.stages.releases.bundle import Bundle
    from recs_platform.stages.releases.bundle.places import Place

OFFERED, DIVERSITY, CAP, EXPLORATION = "offered", "diversity", "max_per_category", "exploration"


@dataclass
class Trace:
    """Notes on one list: ranks after each step that ordered it, by item, and what the session did to each item.

    `user`: code of whose list it is, None where nothing of them is used.
    """

    user: int | None
    ranks: dict[str, dict[int, int]] = field(default_factory=dict[str, dict[int, int]])
    session: dict[int, SessionShare] = field(default_factory=dict[int, SessionShare])

    def noted(self, step: str, places: Iterator[Place]) -> Iterator[Place]:
        """The same places; the rank of each is noted as it comes by."""
        # Named before anything is pulled: the last step is the first that runs.
        return _counted(places, self.ranks.setdefault(step, {}))

    def note_session(self, bundle: Bundle, found: Rescored) -> None:
        """Divide each score into what the stored place gives, what the session adds, and what was learned since."""
        columns = (found.items, found.scores, found.from_session, found.from_learning, found.because)
        for item, score, session, learning, by in zip(*(each.tolist() for each in columns), strict=True):
            speaker = "" if by < 0 else bundle.item_ids[by]
            self.session[item] = SessionShare(score - session - learning, session, speaker, learning)

    def moves_of(self, item: int) -> tuple[Move, ...]:
        """Steps after which the item had another rank than before."""
        steps = [(step, ranks[item]) for step, ranks in self.ranks.items() if item in ranks]
        return tuple(Move(step, before, after) for (_, before), (step, after) in pairwise(steps) if before != after)


def _counted(places: Iterator[Place], ranks: dict[int, int]) -> Iterator[Place]:
    for rank, place in enumerate(places, 1):
        ranks[place.item] = rank
        yield place


def explanations(bundle: Bundle, trace: Trace | None, page: list[Place]) -> list[Explanation | None]:
    """One for each place of a page; None for each of a list that was not asked to be explained."""
    if trace is None:
        return [None] * len(page)
    stored = dict[int, Explanation]() if trace.user is None else _stored(bundle, trace.user)
    return [
        msgspec.structs.replace(
            stored.get(place.item, Explanation()),
            session=trace.session.get(place.item),
            moves=trace.moves_of(place.item),
            is_drawn=place.is_drawn,
        )
        for place in page
    ]


def _stored(bundle: Bundle, user: int) -> dict[int, Explanation]:
    """What the release holds of a user's items."""
    rows, best = bundle.list_of(user), bundle.candidates(user)
    found = {
        item: Explanation(bundle.source_sets[code], released_rank=rank, released_propensity=propensity)
        for rank, (item, code, propensity) in enumerate(
            zip(rows.items, rows.sources, rows.propensities, strict=True), 1
        )
    }
    columns: tuple[list[int], list[float], list[int]] = (
        best.items.tolist(), best.scores.tolist(), best.sources.tolist()
    )  # fmt: skip
    for rank, (item, score, code) in enumerate(zip(*columns, strict=True), 1):
        found[item] = msgspec.structs.replace(
            found.get(item, Explanation()),
            offered_by=bundle.candidate_source_sets[code],
            candidate_rank=rank,
            candidate_score=score,
        )
    return found
