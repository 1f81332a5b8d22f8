"""Whether a file has the columns that a source needs: checked before it is landed, with the mapping that would do."""

from recs_platform.stages.events.archives import UnreadableFileError
from recs_platform.stages.events.profiling.mapping import find_columns
from recs_platform.stages.events.profiling.samples import Sample, read_sample
from recs_platform.stages.events.raw_files import RawFile
from recs_platform.stages.events.sources import SourceFile

_RECORDS = 200
_NAMES = {"\t": "a tab"}


def misfit(file: RawFile, kind: SourceFile) -> str | None:
    """Why a file is not what the source takes it for, None when it is or when only ingestion can tell."""
    try:
        sample = read_sample(file, _RECORDS)
    except (UnreadableFileError, OSError):
        return None
    if sample is None or not sample.fields or (sample.format == "jsonl" and kind.required is None):
        return None
    present = {name.casefold() for name in sample.columns}
    missing = [name for name in kind.required_columns if name.casefold() not in present]
    if missing:
        return f"it lacks {', '.join(missing)}; it has {', '.join(sample.columns)}{_proposed(sample, kind)}"
    wanted = kind.delimiter or ","
    if sample.format == "csv" and sample.delimiter != wanted and len(present) > 1:
        return f"its values are separated by {_named(sample.delimiter)}, not by {_named(wanted)}"
    return None


def _proposed(sample: Sample, kind: SourceFile) -> str:
    """What the file's columns seem to be, empty where that cannot be guessed."""
    found = find_columns(kind.tables[0], sample.fields)
    renamed = [f"{field.name} as {column}" for column, field in found.items() if field.name != column]
    return f"; perhaps {', '.join(renamed)}" if renamed else ""


def _named(delimiter: str | None) -> str:
    return _NAMES.get(delimiter or ",", repr(delimiter or ","))
