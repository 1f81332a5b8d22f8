"""Files of a user's own split, read, and train divided into a part to fit on and a part to validate on."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import UsageError
from recs_platform.evaluation.ties import tie_keys
from recs_platform.stages.retrieval.problem import RetrievalProblem, encode

VALID_FRACTION = 0.1
# With fewer, what is chosen on them is chance.
LATER_PAIRS_MIN = 500
PAIR = [c.USER_ID, c.ITEM_ID]


@dataclass(frozen=True)
class Carving:
    """How a validation part is taken; `later` reaches `span_us` microseconds back, as far as the test reaches on."""

    kind: Literal["last_items", "later", "random"]
    span_us: int = 0


def read_split(path: Path) -> pl.DataFrame:
    """user_id, item_id as text, occurred_us, weight 1; without `occurred_at` the order of rows stands in for time.

    Raises UsageError for a file that is not Parquet, lacks a column, is empty or names nobody in some rows.
    """
    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UsageError(f"{path} is not Parquet: {str(error).splitlines()[0]}") from None
    missing = [name for name in PAIR if name not in frame.columns]
    if missing:
        raise UsageError(f"{path} lacks {missing}; it has {frame.columns}")
    for name in PAIR:
        if frame.schema[name].is_nested() or frame.schema[name] == pl.Boolean:
            raise UsageError(f"{path}: {name} is of type {frame.schema[name]}; ids are text or numbers")
    empty = frame.filter(pl.any_horizontal(pl.col(PAIR).is_null())).height
    if empty or frame.is_empty():
        raise UsageError(f"{path} has {frame.height} rows, {empty} of them without a user or item")
    return frame.select(
        pl.col(c.USER_ID).cast(pl.String),
        pl.col(c.ITEM_ID).cast(pl.String),
        _instants(path, frame).alias(c.OCCURRED_US),
        pl.lit(1.0).alias(c.WEIGHT),
    )


def _instants(path: Path, frame: pl.DataFrame) -> pl.Expr:
    """Microseconds: of instants, dates and ISO texts; numbers are taken as they are, whatever they count."""
    if c.OCCURRED_AT not in frame.columns:
        return pl.int_range(pl.len(), dtype=pl.Int64)
    dtype = frame.schema[c.OCCURRED_AT]
    if frame[c.OCCURRED_AT].null_count():
        raise UsageError(f"{path}: {frame[c.OCCURRED_AT].null_count()} rows have no {c.OCCURRED_AT}")
    if dtype.is_numeric():
        return pl.col(c.OCCURRED_AT).cast(pl.Int64)
    if dtype == pl.String:
        return pl.col(c.OCCURRED_AT).str.to_datetime(time_unit="us", time_zone="UTC").dt.epoch("us")
    return pl.col(c.OCCURRED_AT).cast(pl.Datetime("us")).dt.epoch("us")


def carving_of(train: pl.DataFrame, test: pl.DataFrame, *, are_timed: bool) -> Carving:
    """How to hold out of `train` as `test` was held out: `are_timed` says that both files have instants.

    `last_items` where the test is one item a user, `later` where all of it comes after train, else `random`.
    """
    per_user = test.group_by(c.USER_ID).agg(pl.col(c.ITEM_ID).n_unique())[c.ITEM_ID]
    if are_timed and not (per_user > 1).any():
        return Carving("last_items")
    ends = train[c.OCCURRED_US].to_numpy().max()
    ahead_us = test[c.OCCURRED_US].to_numpy() - ends
    return Carving("later", int(ahead_us.max())) if are_timed and ahead_us.min() >= 0 else Carving("random")


def carve(train: pl.DataFrame, carving: Carving, *, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows to fit on and distinct pairs to choose on: each user's last item, or at most a tenth of the pairs.

    `later` takes those first met last, of all users together: what a source is worth changes with how far ahead it
    must look, so no more than the span's, or 500 where those are fewer; `random` draws a tenth. A user keeps at least
    one item; whoever has only one is not chosen on.
    """
    pairs = train.group_by(PAIR).agg(pl.col(c.OCCURRED_US).min())
    ties = tie_keys(pairs[c.USER_ID], pairs[c.ITEM_ID])
    pairs = pairs.with_columns(ties).sort(c.USER_ID, c.OCCURRED_US, ties.name, c.ITEM_ID)
    position, count = pl.int_range(pl.len()).over(c.USER_ID), pl.len().over(c.USER_ID)
    if carving.kind == "last_items":
        chosen = (position == count - 1) & (count > 1)
    elif carving.kind == "later":
        chosen = (pl.col(c.OCCURRED_US) > _since(pairs[c.OCCURRED_US], carving.span_us)) & (position > 0)
    else:
        chosen = pl.Series(np.random.default_rng(seed).random(len(pairs)) < VALID_FRACTION) & (position > 0)
    held_out = pairs.filter(chosen).select(PAIR)
    return train.join(held_out, on=PAIR, how="anti", maintain_order="left"), held_out


def _since(occurred_us: pl.Series, span_us: int) -> int:
    """After it lie the latest: those of the span, 500 at least and a tenth at most."""
    ordered = occurred_us.sort(descending=True)
    within = (ordered > ordered[0] - span_us).sum()
    return ordered[min(max(within, LATER_PAIRS_MIN), int(VALID_FRACTION * len(ordered)))]


def are_timed(*paths: Path) -> bool:
    """Whether all the files have instants."""
    return all(c.OCCURRED_AT in pl.read_parquet_schema(path) for path in paths)


def problem_of(events: pl.DataFrame, users: pl.Series) -> RetrievalProblem:
    """All items of `events` may be recommended, a user's own not again; `users` are known beside those of `events`."""
    items = events.select(c.ITEM_ID).unique().with_columns(pl.lit(value=True).alias(c.IS_AVAILABLE))
    last = events[c.OCCURRED_US].max()
    as_of = datetime.fromtimestamp((int(last) if isinstance(last, int) else 0) / 1e6 + 1, UTC)
    return encode(events, pl.DataFrame({c.USER_ID: users.unique()}), items, as_of=as_of, allow_repeats=False)
