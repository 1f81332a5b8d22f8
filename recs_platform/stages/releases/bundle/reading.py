"""Looking things up in a sealed bundle: users, items, lists, candidates, neighbours. What is in it: `content`.

Arrays are mapped: opening costs milliseconds whatever their size, and memory is the kernel's to reclaim.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recs_platform.stages.releases.bundle.boards import BOARD_RULES, SealedBoard
from recs_platform.stages.releases.bundle.content import EVERYBODY, EVERYWHERE, BundleRules
from recs_platform.stages.releases.bundle.encoding import (
    EXPIRES,
    HELD_OUT,
    SEPARATOR,
    TRANSITION,
    hidden_arrays,
    surface_arrays,
)
from recs_platform.stages.releases.bundle.keys import key_of, rows_of_key
from recs_platform.stages.releases.bundle.pages import PAGE_HOLDS, PAGE_OFFSETS, PAGE_TEXT
from recs_platform.stages.releases.bundle.texts import PackedTexts, view_of
from recs_platform.stages.releases.bundle.writing import (
    FILES,
    LISTS_KNOWN_AT,
    RELEASE,
    RULES,
    SURFACES,
)

if TYPE_CHECKING:
    from pathlib import Path

    from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.regions import UNKNOWN_REGION

Array = NDArray[Any]
_REASONS_MAX = 200_000  # some 20 MB
_NOTHING: Array = np.zeros(0, dtype=np.int32)
_NO_SCORES: Array = np.zeros(0, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class ListRows:
    """Rows of one user by rank: `items` codes, `scores`, `sources`, `reasons`, `propensities`, all of one length."""

    items: list[int]
    scores: list[float]
    sources: list[int]
    reasons: list[int]
    propensities: list[float]


@dataclass(frozen=True, eq=False)
class CandidateRows:
    """Candidates of one user: `items` int32, `scores` float64, `sources` int32, all of one length."""

    items: NDArray[np.int32]
    scores: NDArray[np.float64]
    sources: NDArray[np.int32]


class Bundle:
    """A sealed bundle. Codes of users and items are positions, valid within this bundle only."""

    def __init__(self, manifest: Manifest, arrays: dict[str, Array], opted_out: Array) -> None:
        self.manifest = manifest
        self.release_id: str = manifest.parameters[RELEASE]
        self.rules = BundleRules(**manifest.parameters[RULES])
        # By name, as they are in the files: for who looks at many users at once.
        self.arrays, self.opted_out_keys = arrays, opted_out
        # Absent where nobody is.
        self._is_held_out = arrays.get(HELD_OUT)
        self._opted_out = view_of(opted_out)
        self._user_keys, self._user_ids = view_of(arrays["user.keys"]), PackedTexts(arrays, "user.ids")
        self._item_keys, self._item_by_key = view_of(arrays["item.keys"]), view_of(arrays["item.by_key"])
        self.item_ids = PackedTexts(arrays, "item.ids").remembering()
        self.titles = PackedTexts(arrays, "item.titles")
        self.reasons = PackedTexts(arrays, "list.reason_texts").remembering(_REASONS_MAX)
        self.source_sets: list[tuple[str, ...]] = _source_sets(arrays, "list")
        self.candidate_source_sets: list[tuple[str, ...]] = _source_sets(arrays, "candidate")
        self.categories = PackedTexts(arrays, "category.names").all()
        # By item, as Python's own: rules look at single items, and numpy is slow to give one number.
        self.item_category: list[int] = arrays["item.category"].tolist()
        self.is_available: bytes = arrays["item.is_available"].tobytes()
        self.vectors: Array = arrays["item.vectors"]
        self.regions = PackedTexts(arrays, "region.names").all()
        self._fallbacks = self._read_fallbacks()
        self._hidden: dict[int, frozenset[int]] = {}
        # Absent from bundles of earlier versions.
        self._has_transitions = f"{TRANSITION}.offsets" in arrays
        self._page_holds = _optional_view(arrays.get(PAGE_HOLDS))
        self._page_offsets = _optional_view(arrays.get(PAGE_OFFSETS))
        self._page_text = _optional_view(arrays.get(PAGE_TEXT))

    @property
    def lists_known_at(self) -> datetime:
        """By when what its lists are made from was known; its opt-outs and withdrawals may be of later."""
        said: str | None = self.manifest.parameters.get(LISTS_KNOWN_AT)
        return self.manifest.known_at if said is None else datetime.fromisoformat(said)

    def sealed_files(self, folder: Path) -> list[tuple[Path, str]]:
        """Its files in their folder, with the SHA-256 they were sealed with."""
        files: dict[str, dict[str, Any]] = self.manifest.parameters[FILES]
        return [(folder / f"{name}.npy", facts["sha256"]) for name, facts in files.items()]

    @property
    def n_users(self) -> int:
        return len(self._user_keys)

    @property
    def n_items(self) -> int:
        return len(self._item_keys)

    def user(self, user_id: str) -> int | None:
        """Code of a user, None of one the bundle does not know."""
        return self._user_of(key_of(user_id), user_id)

    def user_and_choice(self, user_id: str) -> tuple[int | None, bool]:
        """Code of a user, and whether they opted out, in little more time than one of the two takes."""
        key = key_of(user_id)
        return self._user_of(key, user_id), bool(rows_of_key(self._opted_out, key))

    def _user_of(self, key: int, user_id: str) -> int | None:
        for place in rows_of_key(self._user_keys, key):
            if self._user_ids[place] == user_id:
                return place
        return None

    def some_users(self, count: int) -> list[str]:
        """Ids of the first users by key, at most `count`: any, for the key is a hash."""
        return [self._user_ids[place] for place in range(min(count, self.n_users))]

    @property
    def contexts(self) -> list[str]:
        """Names of the fallback rankings."""
        return list(self._fallbacks)

    def is_opted_out(self, user_id: str) -> bool:
        """Whether nothing may be inferred about this user."""
        return bool(rows_of_key(self._opted_out, key_of(user_id)))

    def is_held_out(self, user: int | None) -> bool:
        """Whether the user is in the hold-out, which is shown popular items only."""
        return user is not None and self._is_held_out is not None and bool(self._is_held_out[user])

    def expires_at(self, user: int | None) -> datetime | None:
        """Until when the lists of a user are meant (UTC); None where the bundle says nothing of it."""
        seconds = self.arrays.get(EXPIRES)
        found = 0 if user is None or seconds is None else int(seconds[user])
        return datetime.fromtimestamp(found, UTC) if found else None

    def item(self, item_id: str) -> int | None:
        """Code of an item, None of one the catalogue lacks."""
        for place in rows_of_key(self._item_keys, key_of(item_id)):
            code: int = self._item_by_key[place]
            if self.item_ids[code] == item_id:
                return code
        return None

    def list_of(self, user: int) -> ListRows:
        """The stored list of a user, empty where there is none."""
        inside = self._slice("list", user)
        get = self.arrays
        return ListRows(
            get["list.items"][inside].tolist(),
            get["list.scores"][inside].tolist(),
            get["list.sources"][inside].tolist(),
            get["list.reasons"][inside].tolist(),
            get["list.propensities"][inside].tolist(),
        )

    def page(self, user: int) -> bytes:
        """The first `rules.k` places of the released list as JSON; empty where they are not to be shown as they are."""
        holds, offsets, text = self._page_holds, self._page_offsets, self._page_text
        if holds is None or offsets is None or text is None or not holds[user]:
            return b""
        return bytes(text[offsets[user] : offsets[user + 1]])

    @property
    def surfaces(self) -> tuple[str, ...]:
        """Surfaces with lists of their own."""
        return tuple(self.manifest.parameters.get(SURFACES, ()))

    def surface_list(self, surface: str, user: int) -> list[tuple[int, float, tuple[str, ...], str]]:
        """The stored list of a user on a surface: item, score, sources and reason of each place."""
        name, get = surface_arrays(surface), self.arrays
        inside = self._slice(name, user)
        sets, texts = _source_sets(get, name), PackedTexts(get, f"{name}.reason_texts")
        columns = (get[f"{name}.{column}"][inside].tolist() for column in ("items", "scores", "sources", "reasons"))
        return [
            (item, score, sets[sources], texts[reason]) for item, score, sources, reason in zip(*columns, strict=True)
        ]

    def board(self, surface: str) -> SealedBoard | None:
        """What fills lists of a surface; None in bundles that hold none."""
        said = self.manifest.parameters.get(BOARD_RULES, {}).get(surface)
        return None if said is None else SealedBoard(self.arrays, surface, **said)

    def candidates(self, user: int) -> CandidateRows:
        """The user's stored candidates, best first; `sources` are codes of `candidate_source_sets`."""
        inside, get = self._slice("candidate", user), self.arrays
        return CandidateRows(
            get["candidate.items"][inside], get["candidate.scores"][inside], get["candidate.sources"][inside]
        )

    def consumed(self, user: int) -> Array:
        """Codes of items that are not offered to the user again, ascending."""
        return self.arrays["consumed.items"][self._slice("consumed", user)]

    def hidden_rows(self, surface: str = EVERYWHERE) -> str | None:
        """What the names of the arrays begin with that filters keep away on a surface; None where they keep nothing."""
        names = (hidden_arrays(surface), hidden_arrays(EVERYWHERE))
        return next((name for name in names if f"{name}.items" in self.arrays), None)

    def hidden(self, user: int, surface: str = EVERYWHERE) -> Array:
        """Codes of items that filters keep away from the user on a surface, beside what was consumed; ascending."""
        name = self.hidden_rows(surface)
        return _NOTHING if name is None else self.arrays[f"{name}.items"][self._slice(name, user)]

    def neighbours(self, item: int) -> tuple[Array, Array]:
        """Codes and scores of an item's neighbours, best first."""
        return self._other_items("neighbour", item)

    def transitions(self, item: int) -> tuple[Array, Array]:
        """Codes of items that users turned to after an item, and how probably, best first; none where none are said."""
        return self._other_items(TRANSITION, item) if self._has_transitions else (_NOTHING, _NO_SCORES)

    def _other_items(self, name: str, item: int) -> tuple[Array, Array]:
        inside = self._slice(name, item)
        return self.arrays[f"{name}.items"][inside], self.arrays[f"{name}.scores"][inside]

    def region_of(self, user: int | None) -> int:
        """Code of the user's region; of one the bundle does not know, that of UNKNOWN_REGION, as in batch."""
        return self.regions.index(UNKNOWN_REGION) if user is None else int(self.arrays["user.region"][user])

    def excluded_in(self, region: int) -> frozenset[int]:
        """Codes of items that may not be offered in a region; all lists share one set a region."""
        if region not in self._hidden:
            self._hidden[region] = frozenset(self.arrays["excluded.items"][self._slice("excluded", region)].tolist())
        return self._hidden[region]

    def fallback(self, contexts: tuple[str, ...] = ()) -> list[tuple[str, Array]]:
        """Rankings of those contexts that there are, in the order asked for, and everybody's last."""
        return [(name, self._fallbacks[name]) for name in (*contexts, EVERYBODY) if name in self._fallbacks]

    def _slice(self, name: str, place: int) -> slice:
        offsets = self.arrays[f"{name}.offsets"]
        return slice(int(offsets[place]), int(offsets[place + 1]))

    def _read_fallbacks(self) -> dict[str, Array]:
        contexts = PackedTexts(self.arrays, "fallback.contexts").all()
        items = self.arrays["fallback.items"]
        return {name: items[self._slice("fallback", place)] for place, name in enumerate(contexts)}


def _optional_view(array: Array | None) -> memoryview | None:
    return None if array is None else view_of(array)


def _source_sets(arrays: dict[str, Array], name: str) -> list[tuple[str, ...]]:
    texts = PackedTexts(arrays, f"{name}.source_sets").all()
    return [tuple(text.split(SEPARATOR)) if text else () for text in texts]
