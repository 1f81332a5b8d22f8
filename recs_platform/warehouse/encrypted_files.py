"""Encrypted DuckDB files that are written aside and held against what was to be written. Plain: `database_files`."""

import shutil
import uuid
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from recs_platform.contracts.errors import ContractError
from recs_platform.lake.processes import process_name
from recs_platform.warehouse.clauses import relation, text_literal
from recs_platform.warehouse.connection import connect
from recs_platform.warehouse.database_files import count_rows, remove_abandoned, written_aside
from recs_platform.warehouse.encryption import Cipher, attach_read_only, require_encryption

if TYPE_CHECKING:
    import duckdb

# The first that encrypts.
STORAGE_VERSION = "v1.4.0"
_MARK = ".tmp-"
Fill = Callable[["duckdb.DuckDBPyConnection"], Mapping[str, int]]
Written = tuple[Path, Mapping[str, int]]


def written(
    target: Path,
    fill: Fill,
    cipher: Cipher | None,
    *,
    memory_limit_gb: float,
    threads: int,
    temporary: Path,
    base: Path | None = None,
) -> AbstractContextManager[Written]:
    """As `written_aside`, encrypted where there is a cipher. Raises NotReady where DuckDB cannot encrypt here."""
    if cipher is None:
        return written_aside(
            target, fill, memory_limit_gb=memory_limit_gb, threads=threads, temporary=temporary, base=base
        )
    return _encrypted(target, fill, cipher, memory_limit_gb, threads, temporary, base)


@contextmanager
def _encrypted(
    target: Path,
    fill: Fill,
    cipher: Cipher,
    memory_limit_gb: float,
    threads: int,
    temporary: Path,
    base: Path | None,
) -> Generator[Written]:
    remove_abandoned(target)
    building = target.with_name(f"{target.name}{_MARK}{process_name()}.{uuid.uuid4().hex[:8]}")
    con = connect(memory_limit_gb=memory_limit_gb, threads=threads, temporary=temporary)
    try:
        try:
            require_encryption(con)
            if base is not None:
                shutil.copyfile(base, building)
            options = f"storage_version {text_literal(STORAGE_VERSION)}, recovery_mode no_wal_writes, {cipher.option}"
            con.execute(f"attach {text_literal(str(building))} as a ({options})")
            expected = fill(con)
            con.execute("detach a")
        finally:
            con.close()
        _require_rows(building, target, cipher, expected)
        yield building, expected
    finally:
        for file in (building, building.with_name(f"{building.name}.wal")):
            file.unlink(missing_ok=True)


def _require_rows(building: Path, target: Path, cipher: Cipher, expected: Mapping[str, int]) -> None:
    """What a reader with the key will find."""
    con = connect(memory_limit_gb=1, threads=1)
    try:
        attach_read_only(con, building, "a", cipher)
        found = {name: count_rows(con, f"a.{relation(name)}") for name in expected}
    finally:
        con.close()
    wrong = [f"{name} has {found[name]:,} rows of {rows:,}" for name, rows in expected.items() if found[name] != rows]
    if wrong:
        raise ContractError(f"{target.name} was written wrong and is left as it was: {'; '.join(wrong)}; try again")
