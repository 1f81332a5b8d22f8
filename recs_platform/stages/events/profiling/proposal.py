"""A source proposed for a folder of strangers' files: what each group of files is, and the files of the source."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from recs_platform.contracts.errors import ModelError, UsageError
from recs_platform.contracts.spelling import did_you_mean
from recs_platform.stages.events.profiling.grouping import group_files
from recs_platform.stages.events.profiling.source_files import Understood, source_files, understand
from recs_platform.stages.events.source_sql import source_fault
from recs_platform.stages.events.sources import SOURCE_YML, load_source

_SHOWN = 5


@dataclass(frozen=True)
class Proposal:
    """A source for some files: what was understood of each group, the text of its files, and what was left out."""

    name: str
    understood: tuple[Understood, ...]
    files: dict[str, str]
    left_out: tuple[tuple[str, str], ...]

    @property
    def guesses(self) -> list[str]:
        """What was taken for granted, a sentence each."""
        parted = [
            f"{each.group.match}: columns are parted by {each.group.sample.delimiter!r}"
            for each in self.understood
            if each.fed and each.group.sample.format == "csv" and each.group.sample.delimiter != ","
        ]
        return parted + [
            f"{each.group.match}: {fed.table}.{selected.column}: {guess}"
            for each in self.understood
            for fed in each.fed
            for selected in fed.columns
            for guess in selected.guess.split("; ")
            if guess
        ]


def propose(name: str, path: Path, zone: str = "UTC") -> Proposal:
    """Look into a file or a folder's files. Raises UsageError when none of them can feed a contract table."""
    _check_zone(zone)
    groups, left_out = group_files(path)
    understood = _without_repeats([understand(group, zone) for group in groups])
    reasons = [(each.group.match, each.reason) for each in understood if not each.fed]
    if not any(each.fed for each in understood):
        raise UsageError(f"{path} holds nothing that a contract table could be made of. {_told([*reasons, *left_out])}")
    files = source_files(name, f"Files like those of {path.absolute().name}", understood)
    return Proposal(name, understood, files, (*reasons, *left_out))


def _without_repeats(understood: Sequence[Understood]) -> tuple[Understood, ...]:
    """A table that has files of its own is not fed by others besides: a row would replace the fuller one, whole."""
    own = {fed.table for each in understood for fed in each.fed if not fed.is_beside}
    return tuple(
        replace(each, fed=tuple(fed for fed in each.fed if not (fed.is_beside and fed.table in own)))
        for each in understood
    )


def write_source(proposal: Proposal, folder: Path, *, force: bool) -> None:
    """Write the source's folder, whole or not at all.

    Raises UsageError when it is there and not to be replaced, or when its SQL would not run.
    """
    if folder.exists() and not force:
        raise UsageError(f"{folder} exists; edit it, or write it anew with --force")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder.parent) as scratch:
        aside = Path(scratch) / proposal.name
        aside.mkdir()
        for name, text in proposal.files.items():
            (aside / name).write_text(text, "utf-8")
        if fault := _fault(aside):
            raise UsageError(
                f"no source was written, its SQL would not run: {fault}; rename columns of odd names in the files"
            )
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)


def _fault(folder: Path) -> str | None:
    """What is wrong with a source that was just written, in terms of its files."""
    try:
        fault = source_fault(load_source(folder / SOURCE_YML))
    except ModelError as error:
        fault = str(error)
    return fault and fault.replace(f"{folder}/", "")


def _check_zone(zone: str) -> None:
    from zoneinfo import available_timezones

    known = available_timezones()
    if zone not in known:
        raise UsageError(f"no time zone {zone!r}{did_you_mean(zone, known)}; write one such as Europe/Berlin")


def _told(left_out: Sequence[tuple[str, str]]) -> str:
    shown = "; ".join(f"{name}: {reason}" for name, reason in left_out[:_SHOWN])
    return shown + (f"; and {len(left_out) - _SHOWN} more" if len(left_out) > _SHOWN else "")
