"""Files of an export put together: parts of one table are one group, with the pattern that fits them all."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from recs_platform.contracts.errors import UsageError
from recs_platform.stages.events.archives import UnreadableFileError
from recs_platform.stages.events.file_names import (
    PART,
    is_hidden,
    is_marker,
    is_partition,
    is_unfinished,
    partitions,
    plain_name,
)
from recs_platform.stages.events.profiling.samples import Field, Sample, read_sample
from recs_platform.stages.events.raw_files import ZIP_IN_ZIP, RawFile, files_of, is_zip, leads_out, members

_NO_STEMS = ("", "part", "data", "export", "file", "table", "chunk", "batch", "output")
_CODECS = re.compile(r"\.(snappy|gzip|zstd|lz4|c\d+)$")
_WILD = re.compile(r"[*?\[\].]")
_WORD = re.compile(r"[^\W\d_]{2}")
_SAMPLES_MAX = 3


@dataclass(frozen=True)
class Group:
    """Files that hold the same: `match` is their pattern, `stem` the name less parts, `sample` what they look like."""

    match: str
    stem: str
    files: tuple[str, ...]
    sample: Sample


def group_files(path: Path) -> tuple[list[Group], list[tuple[str, str]]]:
    """Groups of a folder's files in order of their first one, and (file, reason) of those that cannot be read.

    Raises UsageError when the path is missing.
    """
    if not path.exists():
        raise UsageError(f"{path} does not exist")
    left_out: list[tuple[str, str]] = []
    by_pattern: dict[tuple[str, str], list[tuple[str, Sample]]] = {}
    for file in _data_files(path):
        try:
            sample = None if _is_nested(file) else read_sample(file)
        except (UnreadableFileError, OSError) as error:
            left_out.append((file.inside, str(error)))
            continue
        if sample is None or not sample.fields or leads_out(file):
            left_out.append((file.inside, _why(file, sample)))
            continue
        inside = _inside(path, file.inside)
        by_pattern.setdefault(_pattern(inside), []).append((inside, _with_partitions(sample, inside)))
    groups = [group for (match, stem), found in by_pattern.items() for group in _groups(match, stem, found)]
    return groups, left_out


def _data_files(path: Path) -> Iterator[RawFile]:
    for file in files_of(path):
        inner = list(members(file)) if is_zip(file) else []
        for each in inner or [file]:
            accompanies = is_hidden(each.inside) or is_marker(each.inside) or is_unfinished(each.inside)
            if not accompanies and each.path.is_file():
                yield each


def _inside(path: Path, inside: str) -> str:
    """The path of a file as it will be landed: where it alone says nothing, the folder that was given belongs to it."""
    base = path.absolute() if path.is_dir() else path.absolute().parent
    folders = [base.name]
    while is_partition(folders[0]):
        base = base.parent
        folders.insert(0, base.name)
    return "/".join([*folders, inside]) if is_partition(folders[-1]) or not _told_stem(inside) else inside


def _pattern(inside: str) -> tuple[str, str]:
    """The pattern of a file and its parts, and the stem it stands on."""
    name = plain_name(inside)
    suffix, stem = name.rpartition(".")[2], _told_stem(inside)
    if not stem:
        return f"*.{suffix}", PurePosixPath(name).stem
    wild = _WILD.sub("?", stem)
    return (f"{stem}.{suffix}" if wild == stem else f"{wild}*.{suffix}"), stem


def _told_stem(inside: str) -> str:
    """The name without its part, else that of the nearest folder that says something; empty when none does."""
    path = PurePosixPath(inside)
    folders = [folder.lower() for folder in reversed(path.parent.parts) if not is_partition(folder)]
    stems = [_without_part(_CODECS.sub("", PurePosixPath(plain_name(inside)).stem)), *map(_without_part, folders)]
    return next((stem for stem in stems if stem not in _NO_STEMS and _WORD.search(stem)), "")


def _without_part(name: str) -> str:
    return re.sub(rf"{PART}$", "", name)


def _with_partitions(sample: Sample, inside: str) -> Sample:
    """The sample with the partition keys of the path as fields, where the file has none of that name."""
    has = {field.column.lower() for field in sample.fields}
    from_path = [Field(key, (), (value,)) for key, value in partitions(inside).items() if key.lower() not in has]
    return replace(sample, fields=(*sample.fields, *from_path))


def _groups(match: str, stem: str, found: Sequence[tuple[str, Sample]]) -> Iterator[Group]:
    """One group where all files have like columns, else one a kind of columns, each with the names of its files."""
    kinds: dict[frozenset[str], list[tuple[str, Sample]]] = {}
    for inside, sample in found:
        like = next((columns for columns in kinds if _are_alike(columns, sample.columns)), frozenset(sample.columns))
        kinds.setdefault(like, []).append((inside, sample))
    if len(kinds) == 1:
        yield Group(match, stem, tuple(name for name, _ in found), _together([sample for _, sample in found]))
        return
    for files in kinds.values():
        for inside, sample in files:
            name = plain_name(inside)
            yield Group(name, PurePosixPath(name).stem, (inside,), sample)


def _are_alike(columns: frozenset[str], others: Sequence[str]) -> bool:
    both = columns & set(others)
    return 2 * len(both) >= max(len(columns), len(set(others)))


def _together(samples: Sequence[Sample]) -> Sample:
    """The first samples as one: what a field holds is seen in several parts."""
    values: dict[tuple[str, tuple[str, ...]], Field] = {}
    for sample in samples[:_SAMPLES_MAX]:
        for field in sample.fields:
            known = values.get((field.column, field.path))
            merged = field if known is None else replace(known, values=(*known.values, *field.values))
            values[field.column, field.path] = merged
    fields = tuple(values.values())
    return replace(samples[0], fields=fields, records=sum(sample.records for sample in samples))


def _is_nested(file: RawFile) -> bool:
    return file.member is not None and file.inside.lower().endswith(".zip")


def _why(file: RawFile, sample: Sample | None) -> str:
    if leads_out(file):
        return "its name leads out of the zip"
    if _is_nested(file):
        return ZIP_IN_ZIP
    if sample is None:
        return "it is no csv, JSON lines or Parquet file"
    return "it holds no record"
