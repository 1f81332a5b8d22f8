"""Encoding a bundle: ids become codes, frames become arrays by user, region or item. Sealing them is in `writing`.

Items are coded in the order of their ids, users in the order of the keys of theirs. Whatever belongs to one user, one
item or one region is a slice of an array between two offsets. Looking up is in `reading`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.contracts.regions import UNKNOWN_REGION
from recs_platform.stages.releases.bundle.boards import encode_board
from recs_platform.stages.releases.bundle.content import BundleContent
from recs_platform.stages.releases.bundle.keys import OPTED_OUT, distinct_keys, keys_of
from recs_platform.stages.releases.bundle.texts import pack_texts

_CODE, _USER_CODE = "_code", "_user_code"
HELD_OUT = "user.is_held_out"
EXPIRES = "user.expires_seconds"
HIDDEN = "hidden"
TRANSITION = "transition"
SEPARATOR = "\x1f"  # between the sources of a set
Arrays = dict[str, NDArray[np.generic]]


def encode_bundle(content: BundleContent) -> Arrays:
    """Every array of a bundle by the name of its file."""
    items = content.items.sort(c.ITEM_ID)
    codes = items.select(c.ITEM_ID).with_row_index(_CODE).with_columns(pl.col(_CODE).cast(pl.Int32))
    withdrawn = pl.DataFrame({c.USER_ID: list(content.opted_out)}, schema={c.USER_ID: pl.String})
    lists, ranked, consumed, regions = (
        frame.join(withdrawn, on=c.USER_ID, how="anti")
        for frame in (content.lists, content.ranked, content.consumed, content.user_regions)
    )
    surfaces = {
        surface: rows.join(withdrawn, on=c.USER_ID, how="anti") for surface, rows in sorted(content.surfaces.items())
    }
    hidden = {surface: pairs.join(withdrawn, on=c.USER_ID, how="anti") for surface, pairs in content.hidden.items()}
    listed = (lists, ranked, consumed, regions, *surfaces.values(), *hidden.values())
    everybody = pl.concat([frame.select(c.USER_ID) for frame in listed])
    ids = everybody[c.USER_ID].unique().to_list()
    keys = keys_of(ids)
    order = np.argsort(keys, kind="stable")
    users = pl.DataFrame({c.USER_ID: [ids[place] for place in order]}, schema={c.USER_ID: pl.String})
    users = users.with_row_index(_USER_CODE)
    on_surfaces: Arrays = {}
    for surface, rows in surfaces.items():
        coded = _coded(rows, users, codes).sort(_USER_CODE, c.RANK)
        on_surfaces |= _rows(surface_arrays(surface), coded, users.height, with_reasons=True)
    code_of = dict(codes.select(c.ITEM_ID, _CODE).iter_rows())
    for surface, board in sorted(content.boards.items()):
        on_surfaces |= encode_board(surface, board, users.select(c.USER_ID), code_of)
    for surface, pairs in sorted(hidden.items()):
        coded = _coded(pairs.select(c.USER_ID, c.ITEM_ID), users, codes).unique([_USER_CODE, _CODE])
        on_surfaces |= _slices(hidden_arrays(surface), coded, _USER_CODE, users.height)
    return {
        **on_surfaces,
        "user.keys": keys[order],
        **pack_texts("user.ids", users[c.USER_ID].to_list()),
        **_held_out(users, content.held_out),
        **_expiry(users, content.expiry),
        OPTED_OUT: distinct_keys(keys_of(list(content.opted_out))),
        **_item_arrays(items),
        **_vectors(codes, content),
        **_rows("list", _coded(lists, users, codes).sort(_USER_CODE, c.RANK), users.height, with_reasons=True),
        **_rows("candidate", _coded(ranked, users, codes).sort(_USER_CODE, c.RANK), users.height),
        **_slices("consumed", _coded(consumed, users, codes).unique([_USER_CODE, _CODE]), _USER_CODE, users.height),
        **_ranked_items("neighbour", content.neighbours, codes, c.NEIGHBOUR_ID, c.SCORE),
        **_transitions(content.transitions, codes),
        **_fallbacks(content, code_of),
        **regional_arrays(users, codes, regions, content.exclusions),
    }


def _held_out(users: pl.DataFrame, held_out: Sequence[str]) -> Arrays:
    return {HELD_OUT: users[c.USER_ID].is_in(list(held_out)).to_numpy()} if held_out else {}


def _expiry(users: pl.DataFrame, expiry: pl.DataFrame | None) -> Arrays:
    """Until when the lists of each user are meant, in seconds since 1970; 0 where nothing is said."""
    if expiry is None:
        return {}
    seconds = pl.col(c.EXPIRES_AT).dt.epoch("s")
    found = users.join(expiry.select(c.USER_ID, seconds), on=c.USER_ID, how="left", maintain_order="left")
    return {EXPIRES: found[c.EXPIRES_AT].fill_null(0).cast(pl.Int64).to_numpy()}


def hidden_arrays(surface: str) -> str:
    """What the names of the arrays of what filters keep away begin with."""
    return f"{HIDDEN}-{surface}" if surface else HIDDEN


def surface_arrays(surface: str) -> str:
    """What the names of the arrays of a surface's lists begin with."""
    return f"surface-{surface}"


def _coded(rows: pl.DataFrame, users: pl.DataFrame, codes: pl.DataFrame) -> pl.DataFrame:
    """Rows with the codes of their users and items; those of items that the catalogue lacks are left out."""
    return rows.join(users, on=c.USER_ID).join(codes, on=c.ITEM_ID)


def regional_arrays(
    users: pl.DataFrame, items: pl.DataFrame, user_regions: pl.DataFrame, exclusions: pl.DataFrame
) -> Arrays:
    """Names of regions, which of them each user is in, and which items are excluded there.

    `users` and `items`: ids in the order of their codes.
    """
    codes = items.select(c.ITEM_ID, pl.int_range(pl.len(), dtype=pl.Int32).alias(_CODE))
    theirs = user_regions.join(users, on=c.USER_ID, how="semi")
    found = (theirs[c.AVAILABILITY_REGION].unique().to_list(), exclusions[c.AVAILABILITY_REGION].unique().to_list())
    names = sorted({UNKNOWN_REGION, *found[0], *found[1]})
    return {
        "user.region": _region_codes(users, theirs, names),
        **pack_texts("region.names", names),
        **_exclusions(exclusions, codes, names),
    }


def _region_codes(users: pl.DataFrame, regions: pl.DataFrame, names: Sequence[str]) -> NDArray[np.generic]:
    """Code of each user's region; who has none is in UNKNOWN_REGION, as in batch."""
    numbered = pl.DataFrame({c.AVAILABILITY_REGION: names}, schema={c.AVAILABILITY_REGION: pl.String})
    of_user = regions.join(numbered.with_row_index(_CODE), on=c.AVAILABILITY_REGION)
    found = users.join(of_user, on=c.USER_ID, how="left", maintain_order="left")[_CODE]
    return found.cast(pl.Int32).fill_null(names.index(UNKNOWN_REGION)).to_numpy()


def _item_arrays(items: pl.DataFrame) -> Arrays:
    ids = items[c.ITEM_ID].to_list()
    keys = keys_of(ids)
    order = np.argsort(keys, kind="stable")
    categories = sorted(items[c.CATEGORY].drop_nulls().unique().to_list())
    code_of = {name: code for code, name in enumerate(categories)}
    return {
        "item.keys": keys[order],
        "item.by_key": order.astype(np.int32),
        **pack_texts("item.ids", ids),
        **pack_texts("item.titles", [title or "" for title in items[c.TITLE].to_list()]),
        **pack_texts("category.names", categories),
        "item.category": np.array([code_of.get(name, -1) for name in items[c.CATEGORY].to_list()], dtype=np.int32),
        "item.is_available": items[c.IS_AVAILABLE].to_numpy().astype(np.bool_),
    }


def _vectors(codes: pl.DataFrame, content: BundleContent) -> Arrays:
    """Unit vectors by item code, float32 (n_items, d), zero where none is known."""
    named = pl.DataFrame({c.ITEM_ID: list(content.vector_ids)}, schema={c.ITEM_ID: pl.String}).with_row_index("_row")
    found = codes.join(named, on=c.ITEM_ID)
    vectors = np.zeros((codes.height, content.vectors.shape[1]), dtype=np.float32)
    vectors[found[_CODE].to_numpy()] = content.vectors[found["_row"].to_numpy()]
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return {"item.vectors": np.divide(vectors, lengths, out=vectors, where=lengths > 0)}


def _offsets(groups: pl.Series, count: int) -> NDArray[np.int64]:
    """Where the rows of each group begin, int64 (count + 1,); `groups` ascend."""
    counts = np.bincount(groups.to_numpy().astype(np.int64), minlength=count)
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts, dtype=np.int64)])


def _slices(name: str, rows: pl.DataFrame, group: str, count: int) -> Arrays:
    """Codes of items by group, ascending within it."""
    ordered = rows.sort(group, _CODE)
    return {f"{name}.offsets": _offsets(ordered[group], count), f"{name}.items": ordered[_CODE].to_numpy()}


def _rows(name: str, rows: pl.DataFrame, count: int, *, with_reasons: bool = False) -> Arrays:
    """Rows of users, already in order: items, scores, sources; for lists the reasons and propensities too."""
    sources, source_texts = _dictionary(rows[c.SOURCES].cast(pl.List(pl.String)).list.join(SEPARATOR))
    arrays: Arrays = {
        f"{name}.offsets": _offsets(rows[_USER_CODE], count),
        f"{name}.items": rows[_CODE].to_numpy(),
        f"{name}.scores": rows[c.SCORE].cast(pl.Float64).to_numpy(),
        f"{name}.sources": sources,
        **pack_texts(f"{name}.source_sets", source_texts),
    }
    if not with_reasons:
        return arrays
    reasons, reason_texts = _dictionary(rows[c.REASON])
    propensities = rows[c.PROPENSITY].cast(pl.Float64).to_numpy()
    return {
        **arrays,
        f"{name}.reasons": reasons,
        **pack_texts(f"{name}.reason_texts", reason_texts),
        f"{name}.propensities": propensities,
    }


def _dictionary(texts: pl.Series) -> tuple[NDArray[np.int32], list[str]]:
    """Codes of texts, and the distinct ones in ascending order."""
    distinct = texts.unique().sort()
    codes = pl.DataFrame({"text": texts}).join(
        pl.DataFrame({"text": distinct}).with_row_index(_CODE), on="text", how="left", maintain_order="left"
    )[_CODE]
    return codes.cast(pl.Int32).to_numpy(), distinct.to_list()


def _transitions(transitions: pl.DataFrame | None, codes: pl.DataFrame) -> Arrays:
    return {} if transitions is None else _ranked_items(TRANSITION, transitions, codes, c.NEXT_ITEM_ID, c.PROBABILITY)


def _ranked_items(name: str, rows: pl.DataFrame, codes: pl.DataFrame, other_id: str, value: str) -> Arrays:
    """Other items of each item, best first, with a value each."""
    others = codes.rename({c.ITEM_ID: other_id, _CODE: "_other"})
    ordered = rows.join(codes, on=c.ITEM_ID).join(others, on=other_id).sort(_CODE, c.RANK)
    return {
        f"{name}.offsets": _offsets(ordered[_CODE], codes.height),
        f"{name}.items": ordered["_other"].to_numpy(),
        f"{name}.scores": ordered[value].cast(pl.Float32).to_numpy(),
    }


def _fallbacks(content: BundleContent, code_of: Mapping[str, int]) -> Arrays:
    """Rankings one after the other, by context in ascending order; an item that the catalogue lacks is left out."""
    contexts = sorted(content.fallbacks)
    rankings = [[code_of[item] for item in content.fallbacks[name] if item in code_of] for name in contexts]
    lengths = np.array([0, *map(len, rankings)], dtype=np.int64)
    flat = [code for ranking in rankings for code in ranking]
    return {
        **pack_texts("fallback.contexts", contexts),
        "fallback.offsets": np.cumsum(lengths),
        "fallback.items": np.array(flat, dtype=np.int32),
    }


def _exclusions(exclusions: pl.DataFrame, codes: pl.DataFrame, names: Sequence[str]) -> Arrays:
    numbered = pl.DataFrame({c.AVAILABILITY_REGION: names}, schema={c.AVAILABILITY_REGION: pl.String})
    rows = exclusions.join(numbered.with_row_index("_region"), on=c.AVAILABILITY_REGION).join(codes, on=c.ITEM_ID)
    return _slices("excluded", rows, "_region", len(names))
