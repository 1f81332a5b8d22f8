"""Lists with rows taken out, filled again from the bundle, all users at a time.

The places are those of `bundle.many_lists`; here they become rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import LISTS
from recs_platform.lake.column_types import polars_schema
from recs_platform.stages.releases.bundle.lists import BEHIND, FALLBACK_SOURCE, POPULAR
from recs_platform.stages.releases.bundle.many_lists import Places, board_places_of, served_places
from recs_platform.stages.releases.bundle.many_users import (
    are_opted_out,
    codes_of_items,
    codes_of_users,
    have_draws,
    slices_of,
)
from recs_platform.stages.releases.bundle.texts import text_series
from recs_platform.stages.releases.withheld import REFUSES

if TYPE_CHECKING:
    from recs_platform.stages.releases.bundle import Bundle

_USER, _CODE, _COLUMN, _ORDER, _NTH = "_user", "_code", "_column", "_order", "_nth"
UNTOLD = "unknown"
_MADE = (c.ITEM_ID, c.SCORE, c.SOURCES, c.REASON, c.PROPENSITY, c.PROPENSITY_METHOD)
_TYPES = {name: polars_schema(LISTS.columns)[name] for name in _MADE}


def refilled_lists(bundle: Bundle, keys: pl.DataFrame, kept: pl.DataFrame) -> pl.DataFrame:
    """Rows of the lists of `keys` (user_id, whether they refuse them): those `kept`, then what a server puts behind.

    `kept`: rows of the released lists that may be shown on. In the order of `keys`, then of the places.
    """
    users = codes_of_users(bundle, keys[c.USER_ID])
    opted_out = are_opted_out(bundle, keys[c.USER_ID])
    # Who shares a list has none in the bundle, and no candidates behind it.
    has_list = slices_of(bundle, "list", users)[1] > 0
    stays = _Kept(bundle, keys, kept.filter(~pl.col(c.USER_ID).is_in(keys[c.USER_ID].filter(opted_out).implode())))
    count = np.full(len(users), bundle.rules.k, dtype=np.int64)
    places = served_places(bundle, users, stays.codes, count, has_list & ~opted_out)
    return _rows(bundle, keys, places, stays, POPULAR, have_draws(bundle, users) & ~opted_out)


def refilled_surfaces(bundle: Bundle, keys: pl.DataFrame, rows: pl.DataFrame, kept: pl.DataFrame) -> pl.DataFrame:
    """The same of lists of surfaces (surface, user_id, whether they refuse them); `rows`: all of the released lists.

    Each is as long as it was, while its board lasts; who refuses it is shown the board of everybody.
    """
    lengths = keys.join(rows.group_by(c.SURFACE, c.USER_ID).len("length"), on=[c.SURFACE, c.USER_ID], how="left")
    parts = [kept.clear().select(c.SURFACE, c.USER_ID, *_MADE[:4])]
    for (surface, refuses), some in lengths.partition_by(
        c.SURFACE, REFUSES, as_dict=True, maintain_order=True, include_key=True
    ).items():
        mine = kept.filter(pl.col(c.SURFACE) == surface)
        made = _refilled_surface(bundle, str(surface), some, mine, is_refused=bool(refuses))
        parts.append(made.with_columns(pl.lit(surface).alias(c.SURFACE)).select(parts[0].columns))
    return pl.concat(parts)


def _refilled_surface(
    bundle: Bundle, surface: str, keys: pl.DataFrame, kept: pl.DataFrame, *, is_refused: bool
) -> pl.DataFrame:
    users, count = codes_of_users(bundle, keys[c.USER_ID]), keys["length"].cast(pl.Int64).to_numpy()
    board, stays = bundle.board(surface), _Kept(bundle, keys, kept.clear() if is_refused else kept)
    if board is not None:
        # What group somebody is in may be inferred of what they did.
        is_grouped = ~are_opted_out(bundle, keys[c.USER_ID])
        places = board_places_of(bundle, board, users, stays.codes, count, is_grouped)
        return _rows(bundle, keys, places, stays, board.reason)
    if is_refused:  # bundles of earlier versions have no boards
        places = served_places(bundle, users, stays.codes, count, np.zeros(len(users), dtype=np.bool_))
        return _rows(bundle, keys, places, stays, POPULAR)
    return stays.rows.select(c.USER_ID, *_MADE[:4])


class _Kept:
    """Rows that stay, as codes by user and column (n, m), -1 where there is none; `places`: their rows, by the same."""

    def __init__(self, bundle: Bundle, keys: pl.DataFrame, kept: pl.DataFrame) -> None:
        users = keys.select(c.USER_ID).with_row_index(_USER)
        coded = kept.with_columns(pl.Series(_CODE, codes_of_items(bundle, kept[c.ITEM_ID]))).filter(pl.col(_CODE) >= 0)
        self.rows = coded.join(users, on=c.USER_ID).sort(_USER, c.RANK)
        columns = self.rows.select(pl.int_range(pl.len()).over(_USER))[:, 0].to_numpy()
        shape = (keys.height, int(columns.max(initial=-1)) + 1)
        self.codes, self.places = (np.full(shape, -1, dtype=np.int64) for _ in range(2))
        at = (self.rows[_USER].to_numpy(), columns)
        self.codes[at], self.places[at] = self.rows[_CODE].to_numpy(), np.arange(self.rows.height)


def _rows(
    bundle: Bundle,
    keys: pl.DataFrame,
    places: Places,
    stays: _Kept,
    reason: str,
    have_drawn: NDArray[np.bool_] | None = None,
) -> pl.DataFrame:
    """Rows of the places; `have_drawn`: of whom what comes stands behind drawn places, so that its chance is untold."""
    order = np.arange(len(places.user))
    of_kept, of_candidate, of_ranked = (
        np.flatnonzero(each >= 0) for each in (places.kept, places.candidate, places.ranked)
    )
    sealed = (
        stays.rows[stays.places[places.user[of_kept], places.kept[of_kept]]] if len(of_kept) else stays.rows.clear()
    )
    known = [pl.col(name) for name in _MADE if name in sealed.columns]
    untold = np.zeros(len(order), dtype=np.bool_) if have_drawn is None else have_drawn[places.user]
    parts = [
        _typed(sealed.select(known), order[of_kept]),
        _typed(
            _candidates(bundle, places.item[of_candidate], places.candidate[of_candidate]),
            order[of_candidate],
            untold[of_candidate],
        ),
        _typed(
            _popular(bundle, places.item[of_ranked], places.ranked[of_ranked], reason),
            order[of_ranked],
            untold[of_ranked],
        ),
    ]
    users = keys[c.USER_ID][places.user]
    return pl.concat(parts).sort(_ORDER).drop(_ORDER).with_columns(users.alias(c.USER_ID))


def _typed(rows: pl.DataFrame, order: NDArray[np.int64], untold: NDArray[np.bool_] | None = None) -> pl.DataFrame:
    """The columns of places of a list; what is not said of its chance is certain, or `untold` (n,)."""
    is_untold = pl.lit(value=False) if untold is None else pl.lit(pl.Series(untold))
    defaults = {
        c.PROPENSITY: pl.when(~is_untold).then(1.0),
        c.PROPENSITY_METHOD: pl.when(is_untold).then(pl.lit(UNTOLD)).otherwise(pl.lit("exact")),
    }
    missing = [value.alias(name) for name, value in defaults.items() if name not in rows.columns]
    whole = rows.with_columns(*missing, pl.Series(_ORDER, order))
    return whole.select(*(pl.col(name).cast(dtype) for name, dtype in _TYPES.items()), _ORDER)


def _candidates(bundle: Bundle, items: NDArray[np.int64], places: NDArray[np.int64]) -> pl.DataFrame:
    sets = pl.Series([list(each) for each in bundle.candidate_source_sets], dtype=pl.List(pl.String))
    return pl.DataFrame(
        {
            c.ITEM_ID: text_series(bundle.arrays, "item.ids")[items],
            c.SCORE: bundle.arrays["candidate.scores"][places],
            c.SOURCES: sets[bundle.arrays["candidate.sources"][places].astype(np.int64)],
        }
    ).with_columns(pl.lit(BEHIND).alias(c.REASON))


def _popular(bundle: Bundle, items: NDArray[np.int64], places: NDArray[np.int64], reason: str) -> pl.DataFrame:
    ids = text_series(bundle.arrays, "item.ids")[items]
    return pl.DataFrame({c.ITEM_ID: ids, c.SCORE: 1.0 / (places + 1)}).with_columns(
        pl.concat_list(pl.lit(FALLBACK_SOURCE)).alias(c.SOURCES), pl.lit(reason).alias(c.REASON)
    )
