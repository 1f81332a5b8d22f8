"""Landed files written anew without some records, packed as they were. Whose records those are: `persons_records`."""
# pyarrow brings no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import gzip
import os
import re
import shutil
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path

from recs_platform.lake.disk import flush
from recs_platform.stages.events.archives import DAMAGED, UnreadableFileError, members_of, open_packed
from recs_platform.stages.events.people import Person
from recs_platform.stages.events.reading_csv import records_of

_CHUNK_BYTES = 1 << 22


def rewrite_text(
    path: Path, aside: Path, delimiter: bytes | None, theirs: Collection[int], unparsed: Collection[int], person: Person
) -> int:
    """Copy the records that stay; returns how many do not. Of those that could not be read a word decides."""
    words, gone = person.words(only_telling=False), 0
    with aside.open("wb") as target:
        for number, record in records_of(path, delimiter) if delimiter is not None else _lines(path):
            is_named = number in unparsed and words is not None and words.search(record.decode(errors="replace"))
            if number in theirs or is_named:
                gone += 1
            else:
                target.write(record)
    return gone


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        yield from enumerate(file, start=1)


def rewrite_parquet(path: Path, aside: Path, theirs: Collection[int]) -> None:
    """Copy the rows that stay; `theirs` are numbered from 1."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    gone, first = np.array(sorted(theirs), dtype=np.int64) - 1, 0
    with pq.ParquetFile(path.resolve()) as source, pq.ParquetWriter(aside, source.schema_arrow) as writer:
        for batch in source.iter_batches():
            stays = np.ones(batch.num_rows, dtype=np.bool_)
            inside = gone[(gone >= first) & (gone < first + batch.num_rows)] - first
            stays[inside] = False
            first += batch.num_rows
            writer.write_batch(batch.filter(pa.array(stays)))


def pack(original: Path, plain: Path, target: Path) -> Path:
    """The plain file packed as the original is; the same content gives the same bytes."""
    target.unlink(missing_ok=True)
    match original.suffix.lower():
        case ".gz":
            with plain.open("rb") as source, target.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as gz:
                shutil.copyfileobj(source, gz, _CHUNK_BYTES)
        case ".zip":
            with zipfile.ZipFile(original) as archive:
                member = members_of(archive)[0]
            with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
                # An entry that is given no time has the first that a zip can hold.
                archive.writestr(zipfile.ZipInfo(member), plain.read_bytes(), zipfile.ZIP_DEFLATED)
        case ".zst":
            import pyarrow as pa

            with plain.open("rb") as source, pa.CompressedOutputStream(str(target), "zstd") as packed:
                while chunk := source.read(_CHUNK_BYTES):
                    packed.write(chunk)
        case _:
            plain.replace(target)
    return target


def replace_file(path: Path, packed: Path) -> None:
    """Put a file in the place of a landed one, whole or not at all; it keeps its age, which orders files."""
    before = path.stat()
    aside = path.with_name(f"{path.name}.tmp")
    shutil.copyfile(packed, aside)
    aside.chmod(before.st_mode & 0o777)
    os.utime(aside, ns=(before.st_atime_ns, before.st_mtime_ns))
    flush((aside,))
    aside.replace(path)
    flush((path.parent,))


def holds_ids(path: Path, person: Person) -> bool:
    """Whether a file that nobody can read record by record holds one of the person's telling ids."""
    if not person.telling or not path.is_file() or path.is_symlink():
        return False
    wanted = re.compile(rb"(?<!\w)(?:" + b"|".join(re.escape(name.encode()) for name in person.telling) + rb")(?!\w)")
    longest, tail = max(len(name.encode()) for name in person.telling) + 1, b""
    try:
        with open_packed(path) as packed:
            while chunk := packed.read(_CHUNK_BYTES):
                text = tail + bytes(chunk)
                if wanted.search(text):
                    return True
                tail = text[-longest:]
    except (*DAMAGED, UnreadableFileError):
        return wanted.search(path.read_bytes()) is not None
    return False
