"""Raw files made plain: decompressed to the last byte, so that a cut file is known before a row of it is accepted.

What the plain bytes mean is read in `reading`.
"""

# pyarrow brings no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import gzip
import os
import shutil
import zipfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

from recs_platform.contracts.errors import ContractError
from recs_platform.stages.events.disk_errors import raise_disk_full
from recs_platform.stages.events.file_names import is_hidden, is_marker

if TYPE_CHECKING:
    import pyarrow as pa

    Packed = IO[bytes] | gzip.GzipFile | pa.CompressedInputStream

_CHUNK_BYTES = 1 << 22
_PARQUET_MAGIC = b"PAR1"
_PARQUET_BYTES_MIN = 12
# OSError holds gzip.BadGzipFile and what pyarrow raises; RuntimeError is a zip with a password.
DAMAGED = (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError)


class UnreadableFileError(ContractError):
    """A raw file that cannot be read as a whole: it is quarantined as one row, and the message is the reason."""


def unpack(path: Path, plain: Path) -> Path:
    """Make `plain` the file's decompressed content, or a link to the file when it is not compressed; returns `plain`.

    DuckDB reads the first rows of a cut .gz without an error, hence every byte and the trailer are checked here; and
    it takes [, * and ? in a name for a pattern, hence the link. Raises UnreadableFileError when the stream is damaged
    or ends early, or when a .zip holds other than one file.
    """
    plain.unlink(missing_ok=True)
    suffix = path.suffix.lower()
    if suffix not in _OPENERS or path.stat().st_size == 0:
        plain.symlink_to(path.absolute())
        return plain
    try:
        with _OPENERS[suffix](path) as packed, plain.open("wb") as target:
            shutil.copyfileobj(packed, target, _CHUNK_BYTES)
    except DAMAGED as error:
        raise_disk_full(error)
        raise UnreadableFileError(f"the compressed file is cut or damaged: {error}; land a whole copy") from error
    return plain


def members_of(archive: zipfile.ZipFile) -> list[str]:
    """Names of a zip's files, less folders and what only accompanies data."""
    return [name for name in archive.namelist() if not (name.endswith("/") or is_marker(name) or is_hidden(name))]


@contextmanager
def open_packed(path: Path) -> Generator["Packed", None, None]:
    """A file's content, decompressed where its suffix says so. Raises what the packing raises when it is damaged."""
    opener = _OPENERS.get(path.suffix.lower())
    if opener is None or path.stat().st_size == 0:
        with path.open("rb") as plain:
            yield plain
    else:
        with opener(path) as packed:
            yield packed


def require_whole(content: IO[bytes], suffix: str) -> None:
    """Raise UnreadableFileError where a file's content, open for reading, ends before it is whole, as its suffix says.

    Compressed content is read to its end; a .parquet must end in its footer. Of others nothing can be said.
    """
    try:
        if suffix == ".parquet":
            _require_footer(content)
        elif suffix in (".gz", ".zst"):
            for _ in iter(partial(_unpacked(content, suffix).read, _CHUNK_BYTES), b""):
                pass
    except DAMAGED as error:
        raise UnreadableFileError(f"it is cut or damaged: {error}; land a whole copy") from error


def _unpacked(content: IO[bytes], suffix: str) -> "gzip.GzipFile | pa.CompressedInputStream":
    import pyarrow as pa

    return gzip.GzipFile(fileobj=content) if suffix == ".gz" else pa.CompressedInputStream(content, "zstd")


def _require_footer(content: IO[bytes]) -> None:
    """Parquet: the magic, the row groups, the footer, its length in four bytes, and the magic again."""
    end = content.seek(0, os.SEEK_END)
    content.seek(max(0, end - len(_PARQUET_MAGIC)))
    if end and (content.read() != _PARQUET_MAGIC or end < _PARQUET_BYTES_MIN):
        raise EOFError("it has no Parquet footer")


@contextmanager
def _open_gzip(path: Path) -> Generator["Packed", None, None]:
    with gzip.open(path, "rb") as packed:
        yield packed


@contextmanager
def _open_zip(path: Path) -> Generator["Packed", None, None]:
    with zipfile.ZipFile(path) as archive:
        members = members_of(archive)
        if len(members) != 1:
            raise UnreadableFileError(
                f"the .zip holds {len(members)} files, in landing it must hold one; `recs land` takes it apart"
            )
        with archive.open(members[0]) as packed:
            yield packed


@contextmanager
def _open_zstd(path: Path) -> Generator["Packed", None, None]:
    import pyarrow as pa

    with pa.OSFile(str(path)) as file, pa.CompressedInputStream(file, "zstd") as packed:
        yield packed


_OPENERS = {".gz": _open_gzip, ".zip": _open_zip, ".zst": _open_zstd}
