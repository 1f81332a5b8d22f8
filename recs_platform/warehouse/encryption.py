"""Encryption of DuckDB's own kind: how a file is attached with its key, and what must be there to write one.

How such a file is written aside is in `database_files`. Which files have which key is decided in `pipeline`.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from recs_platform.contracts.errors import NotReady
from recs_platform.warehouse.clauses import text_literal

if TYPE_CHECKING:
    import duckdb

_PARQUET_KEY = "published"
# Of AES keys of Parquet, which have 16, 24 or 32 bytes.
_PARQUET_KEY_LENGTH = 32


@dataclass(frozen=True)
class Cipher:
    """The key of a file, as it is given to `attach`; it is never shown."""

    key: str = field(repr=False)

    @property
    def option(self) -> str:
        """The option of `attach`."""
        return f"encryption_key {text_literal(self.key)}"


def attach_read_only(con: "duckdb.DuckDBPyConnection", file: Path, name: str, cipher: Cipher | None) -> None:
    """Attach a file under a name, with its key where it has one. Reading needs no extension."""
    option = "" if cipher is None else f", {cipher.option}"
    con.execute(f"attach {text_literal(str(file.absolute()))} as {name} (read_only{option})")


def require_encryption(con: "duckdb.DuckDBPyConnection") -> None:
    """Make a connection able to write encrypted files, and what it spills encrypted too.

    Raises NotReady where DuckDB's extension for that is not installed. DuckDB can be told to do without, but draws the
    numbers that must never repeat under one key from a generator that was not made for it then; that is not done here.
    """
    import duckdb

    try:
        load_random_numbers(con)
        con.execute("set temp_file_encryption = true")
    except duckdb.Error as error:
        raise NotReady(
            f"privacy.encrypt: DuckDB {duckdb.__version__} encrypts with its extension httpfs, which is not installed "
            "for this user; nothing was written. Once, with network: "
            "python -c \"import duckdb; duckdb.execute('install httpfs')\""
        ) from error


def load_random_numbers(con: "duckdb.DuckDBPyConnection") -> None:
    """OpenSSL's, which come with the extension that reads files over HTTP."""
    con.execute("load httpfs")


def parquet_options(con: "duckdb.DuckDBPyConnection", cipher: Cipher | None) -> str:
    """What is added to the options of a `copy` to Parquet; the key is the first 32 characters of the file's."""
    if cipher is None:
        return ""
    key = cipher.key[:_PARQUET_KEY_LENGTH]
    con.execute(f"pragma add_parquet_key('{_PARQUET_KEY}', {text_literal(key)})")
    return f", encryption_config {{footer_key: '{_PARQUET_KEY}'}}"
