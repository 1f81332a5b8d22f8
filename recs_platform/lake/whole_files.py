"""Files that end where what they hold does: readers of one that was cut off, or is gone, do not name it.

What a table or an artifact holds is said in `tables` and `artifacts`; Delta's own log in `protocol`.
"""

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from recs_platform.contracts.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

_END = b"PAR1"
OF_AN_ARTIFACT = "or move its folder out of artifacts: `recs run --force` makes again what is missing"


def whole_text(file: Path, end: str, otherwise: str = OF_AN_ARTIFACT) -> str:
    """The text of a file, which has `end` in it. Raises ContractError for one that is cut off or gone.

    `otherwise`: as in `whole_parquet`.
    """
    try:
        text = file.read_text(encoding="utf-8")
        fault = None if end in text else "it is cut off"
    except (FileNotFoundError, UnicodeDecodeError) as error:
        text, fault = "", "it is gone" if isinstance(error, FileNotFoundError) else "it is no text"
    if fault is not None:
        raise ContractError(f"{file} is damaged: {fault}; restore it from a copy of the home, {otherwise}")
    return text


def whole_parquet(file: Path, otherwise: str = OF_AN_ARTIFACT) -> Path:
    """The file, which ends as Parquet does. Raises ContractError for one that is cut off or gone.

    `otherwise`: what to do where there is no copy of it. Such files never change: one that was whole is not read again.
    """
    fault = _fault(str(file))
    if fault is not None:
        _fault.cache_clear()  # it may be put back
        raise ContractError(f"{file} is damaged: {fault}; restore it from a copy of the home, {otherwise}")
    return file


def collect_whole(rows: "pl.LazyFrame", file: Path, otherwise: str = OF_AN_ARTIFACT) -> "pl.DataFrame":
    """Rows that are read from a Parquet file. Raises ContractError where its bytes are not those that were written."""
    from polars import exceptions

    try:
        return rows.collect()
    except (exceptions.ComputeError, exceptions.InvalidOperationError, exceptions.PanicException) as error:
        text = f"{file} is damaged: its bytes are not those that were written; restore it from a copy of the home"
        raise ContractError(f"{text}, {otherwise}") from error


def read_whole(file: Path, columns: "Sequence[str] | None" = None) -> "pl.DataFrame":
    """All rows of a Parquet file, of some columns or all. Raises ContractError for one that is damaged or gone."""
    import polars as pl

    rows = pl.scan_parquet(whole_parquet(file))
    return collect_whole(rows if columns is None else rows.select(columns), file)


@lru_cache(maxsize=65_536)
def _fault(file: str) -> str | None:
    try:
        with Path(file).open("rb") as opened:
            size = opened.seek(0, os.SEEK_END)
            opened.seek(max(0, size - len(_END)))
            is_whole = size >= 2 * len(_END) and opened.read() == _END
    except FileNotFoundError:
        return "it is gone"
    return None if is_whole else "it ends before its rows do"
