"""What a DuckDB that reads or writes a file of its own may take of the machine, and the file's key."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recs_platform.warehouse.connection import connect
from recs_platform.warehouse.encryption import Cipher, require_encryption

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class DatabaseOptions:
    """Limits and key.

    `threads`: cores. `memory_limit_gb`: DuckDB's share, in GB (10**9 bytes). `temporary`: under it what does not fit is
    spilled, nowhere if None. `cipher`: the key of the file, None where it is not encrypted.
    """

    threads: int
    memory_limit_gb: float
    temporary: Path | None = None
    cipher: Cipher | None = None

    def connect_to_write(self) -> "duckdb.DuckDBPyConnection":
        """An in-memory database that can write such a file. Raises NotReady where DuckDB cannot encrypt here."""
        con = connect(memory_limit_gb=self.memory_limit_gb, threads=self.threads, temporary=self.temporary)
        if self.cipher is not None:
            try:
                require_encryption(con)
            except BaseException:
                con.close()
                raise
        return con
