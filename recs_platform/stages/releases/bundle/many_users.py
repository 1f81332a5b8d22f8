"""Looking up many users of a bundle at once; one by one it is in `reading`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recs_platform.contracts.regions import UNKNOWN_REGION
from recs_platform.stages.releases.bundle.keys import keys_of
from recs_platform.stages.releases.bundle.texts import text_series

if TYPE_CHECKING:
    import polars as pl

    from recs_platform.stages.releases.bundle.reading import Bundle

Codes = NDArray[np.int64]


def codes_of_users(bundle: Bundle, users: pl.Series) -> Codes:
    """Codes of users, int64 (n,), -1 of those whom the bundle does not know."""
    return codes_in(users, text_series(bundle.arrays, "user.ids"))


def codes_of_items(bundle: Bundle, items: pl.Series) -> Codes:
    """Codes of items, int64 (n,), -1 of those that the catalogue lacks."""
    return codes_in(items, text_series(bundle.arrays, "item.ids"))


def codes_in(texts: pl.Series, known: pl.Series) -> Codes:
    """Places of texts among the `known`, which are distinct; -1 where they are not."""
    import polars as pl

    places = known.alias("text").to_frame().with_row_index("place")
    found = texts.alias("text").to_frame().join(places, on="text", how="left", maintain_order="left")
    return found["place"].cast(pl.Int64).fill_null(-1).to_numpy()


def are_opted_out(bundle: Bundle, users: pl.Series) -> NDArray[np.bool_]:
    """Which users nothing may be inferred about."""
    wanted, keys = keys_of(users.to_list()), bundle.opted_out_keys
    # `numpy.isin` would load masked arrays, which takes longer.
    places = np.minimum(keys.searchsorted(wanted), max(len(keys) - 1, 0))
    return keys[places] == wanted if len(keys) else np.zeros(len(wanted), dtype=np.bool_)


def regions_of(bundle: Bundle, users: Codes) -> Codes:
    """Codes of the users' regions; of unknown users (-1), that of UNKNOWN_REGION."""
    regions: NDArray[Any] = bundle.arrays["user.region"]
    unknown = bundle.regions.index(UNKNOWN_REGION)
    if not len(regions):
        return np.full(len(users), unknown, dtype=np.int64)
    return np.where(users >= 0, regions[users], unknown).astype(np.int64)


def slices_of(bundle: Bundle, name: str, users: Codes) -> tuple[Codes, Codes]:
    """Where the rows of each user begin in the arrays of `name`, and how many they are; none of unknown users."""
    offsets: NDArray[Any] = bundle.arrays[f"{name}.offsets"]
    known = users >= 0
    start = np.where(known, offsets[users], 0)
    return start, np.where(known, offsets[users + 1], 0) - start


def have_draws(bundle: Bundle, users: Codes) -> NDArray[np.bool_]:
    """Whether places of the users' released lists were drawn by chance; of unknown users none."""
    starts, lengths = slices_of(bundle, "list", users)
    drawn: NDArray[np.int64] = np.concatenate([[0], np.cumsum(bundle.arrays["list.propensities"] < 1)])
    return drawn[starts + lengths] > drawn[starts]


def items_of(bundle: Bundle, name: str, users: Codes) -> tuple[Codes, Codes]:
    """Codes of the users' items in the arrays of `name`, one user after the other, and how many of each."""
    starts, lengths = slices_of(bundle, name, users)
    within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    items: NDArray[Any] = bundle.arrays[f"{name}.items"]
    return items[np.repeat(starts, lengths) + within].astype(np.int64), lengths
