"""Item vectors that an operator brings as a file, made into one frame."""

from pathlib import Path

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError, UsageError
from recs_platform.stages.retrieval.problem import aligned_vectors


def read_vectors(path: Path) -> pl.DataFrame:
    """item_id String and vector List(Float32), all of one length above 0, in the order of the file.

    `path`: a Parquet with item_id (a string or an integer) and either `vector`, a list or array of numbers, or
    numeric columns, which make a vector in their order. Raises UsageError where there is no such file; ContractError
    where it is no Parquet, lacks a column, has rows without an item_id, or `aligned_vectors` refuses its vectors. A
    file without rows has no vectors.
    """
    if not path.is_file():
        raise UsageError(f"no file of item vectors at {path}; it should be a Parquet with {c.ITEM_ID} and {c.VECTOR}")
    try:
        rows = pl.read_parquet(path, hive_partitioning=False)
    except pl.exceptions.PolarsError as error:
        raise ContractError(f"{path} cannot be read as Parquet: {error}") from error
    vectors = rows.select(_ids(rows, path), _vectors(rows, path))
    try:
        aligned_vectors(vectors, vectors[c.ITEM_ID])
    except ContractError as error:
        raise ContractError(f"{path}: {error}") from error
    return vectors


def _ids(rows: pl.DataFrame, path: Path) -> pl.Expr:
    if c.ITEM_ID not in rows.columns:
        raise ContractError(f"{path} lacks {c.ITEM_ID}; its columns are {rows.columns[:10]}")
    dtype = rows.schema[c.ITEM_ID]
    if not (dtype == pl.String or dtype.is_integer() or isinstance(dtype, pl.Categorical | pl.Enum)):
        raise ContractError(f"{path}: {c.ITEM_ID} is {dtype}; it should be a string or an integer")
    missing = rows[c.ITEM_ID].null_count()
    if missing:
        raise ContractError(f"{path}: {missing} of {rows.height} rows have no {c.ITEM_ID}")
    return pl.col(c.ITEM_ID).cast(pl.String)


def _vectors(rows: pl.DataFrame, path: Path) -> pl.Expr:
    if c.VECTOR in rows.columns:
        dtype = rows.schema[c.VECTOR]
        if not isinstance(dtype, pl.List | pl.Array) or not dtype.inner.is_numeric():
            raise ContractError(f"{path}: {c.VECTOR} is {dtype}; it should be a list or array of numbers")
        return pl.col(c.VECTOR).cast(pl.List(pl.Float32))
    others = [name for name in rows.columns if name != c.ITEM_ID]
    unfit = [name for name in others if not rows.schema[name].is_numeric()]
    if unfit or not others:
        found = f"{len(unfit)} columns are not numeric: {unfit[:5]}" if unfit else "there is no other column"
        raise ContractError(f"{path} lacks {c.VECTOR}, or numeric columns beside {c.ITEM_ID}; {found}")
    return pl.concat_list(pl.col(name).cast(pl.Float32) for name in others).alias(c.VECTOR)
