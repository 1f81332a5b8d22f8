"""Ingestion as a log of sealed batches: a batch reaches every raw table once, whatever is killed when.

A batch is a folder of Parquet files, `<table>.parquet` or several `<table>-<part>.parquet`. Renaming it to `<n>.sealed`
commits it; rolling it forward then makes its files part of each table with transaction number n, and a table that has
the number already is left alone. The ledger comes last, and its number is the number of batches ingested. A batch that
holds the file `REPLACES` puts its tables in the place of the lake's. All of it happens under the caller's ingest lock.
"""

# pyarrow brings no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import shutil
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recs_platform.contracts.errors import ContractError
from recs_platform.contracts.tables import TableContract
from recs_platform.lake.adoption import fits
from recs_platform.lake.disk import seal
from recs_platform.lake.tables import Lake

LEDGER = "ingestions"
REPLACES = "REPLACES"
APPENDED = ("quarantine", "events", "item_tags", "identities", "consents", LEDGER)
REPLACED = ("item_history", "user_history", "items", "users")
BATCH_ORDER = (*APPENDED[:-1], *REPLACED, LEDGER)

_TRANSACTION = "ingest"
_ROWS_A_READ = 65_536


def next_number(lake: Lake) -> int:
    """Number of the next batch, from 1; right only when every sealed batch has been rolled forward."""
    return max(lake.transaction_version(_raw(LEDGER), _TRANSACTION), 0) + 1


@contextmanager
def open_batch(root: Path, number: int) -> Generator[Path, None, None]:
    """Folder to write `<table>.parquet` files into; sealed on a clean exit, removed on an exception.

    Replaced tables come whole, the others with the rows to add; `ingestions` must be there, the rest may be absent.
    Raises ContractError for a file that is no table of a batch, and when a batch of that number is sealed already.
    """
    folder, sealed = root / f"{number}.tmp", root / f"{number}.sealed"
    if sealed.exists():
        raise ContractError(f"batch {number} is sealed in {root} and not in the lake yet; recover it first")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
        _require_tables(folder)
        seal(folder, sealed)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def recover(root: Path, lake: Lake, contracts: Mapping[str, TableContract]) -> list[int]:
    """Drop unsealed batches, roll sealed ones forward in order and delete them; returns their numbers.

    `contracts` hold the tables of a batch (their partitioning is used); how they are keyed does not matter. Rows
    stream from the batch into the lake. Safe to repeat after a crash at any point.
    """
    for unsealed in root.glob("*.tmp"):
        shutil.rmtree(unsealed)
    partitioning = {contract.name: contract.partition_by for contract in contracts.values()}
    numbers = sorted(int(folder.stem) for folder in root.glob("*.sealed"))
    for number in numbers:
        sealed = root / f"{number}.sealed"
        replaces_all = (sealed / REPLACES).exists()
        for table in BATCH_ORDER:
            if _files_of(sealed, table):
                replace = replaces_all or table in REPLACED
                _roll_forward(sealed, table, number, lake, partitioning[_raw(table)], replace=replace)
        # Renamed first: a folder half deleted must not look like a batch.
        shutil.rmtree(sealed.rename(root / f"{number}.tmp"))
    return numbers


def _roll_forward(
    sealed: Path, table: str, number: int, lake: Lake, partition_by: tuple[str, ...], *, replace: bool
) -> None:
    name, files = _raw(table), _files_of(sealed, table)
    transaction = (_TRANSACTION, number)
    if lake.transaction_version(name, _TRANSACTION) >= number:
        return
    if partition_by or (not replace and not fits(lake.path(name), name, files)):
        version = _stream(lake, name, files, partition_by, transaction, replace=replace)
    else:
        version = lake.adopt(name, files, prefix=f"batch-{number}-", replace=replace, transaction=transaction)
    lake.flush(name, version)


def _stream(
    lake: Lake,
    name: str,
    files: Sequence[Path],
    partition_by: tuple[str, ...],
    transaction: tuple[str, int],
    *,
    replace: bool,
) -> int:
    """Row by row, where columns are new to the table or it is partitioned."""
    with ExitStack() as stack:
        opened = [stack.enter_context(pq.ParquetFile(file)) for file in files]
        batches = (batch for file in opened for batch in file.iter_batches(_ROWS_A_READ))
        rows = pa.RecordBatchReader.from_batches(opened[0].schema_arrow, batches)
        write = lake.overwrite if replace else lake.append
        return write(name, rows, partition_by=partition_by, transaction=transaction)


def _files_of(folder: Path, table: str) -> list[Path]:
    return sorted([*folder.glob(f"{table}.parquet"), *folder.glob(f"{table}-*.parquet")])


def _require_tables(folder: Path) -> None:
    known = {file.name for table in BATCH_ORDER for file in _files_of(folder, table)} | {REPLACES}
    strangers = {file.name for file in folder.iterdir()} - known
    if strangers:
        raise ContractError(f"{sorted(strangers)} in batch {folder.stem} belong to no table of a batch: {BATCH_ORDER}")
    if not _files_of(folder, LEDGER):
        raise ContractError(f"batch {folder.stem} has no {LEDGER}.parquet, which gives it its number; write the ledger")


def _raw(table: str) -> str:
    return f"raw.{table}"
