"""Exports of releases that were in force lately: a rollback puts one back in place and does not write it anew.

They are hard links, which take no room while they are in place; a file system that has none keeps none. The name of one
says what it was made of.
"""

import os
from collections.abc import Collection, Mapping
from pathlib import Path

from recs_platform.contracts.manifests import content_key
from recs_platform.lake.processes import process_name
from recs_platform.warehouse.published_sources import TableSource

KEPT_MAX = 3  # of each format: the one in place, the one before, and one to go on to
_FOLDER, _MARK = ".kept", ".tmp-"


class KeptExports:
    """Those in a folder, for exports of one release from a published file with these sources, less `opted_out` users.

    `secret`: the key that they are encrypted with; empty where they are not. A name is release, hash of who is left out
    and of the key, hash of all else, lines, and the file's time in nanoseconds, by which one that somebody wrote to
    since is known; then the format.
    """

    def __init__(
        self,
        folder: Path,
        sources: Mapping[str, TableSource],
        release_id: str,
        opted_out: Collection[str],
        secret: str,
    ) -> None:
        self._folder = folder / _FOLDER
        refused = {name: source.refused for name, source in sources.items() if source.refused}
        self._readers = content_key({"opted_out": sorted(opted_out), "refused": refused, "secret": secret})
        self._release_id = release_id
        self._releases = {key for source in sources.values() for key in source.partitions}
        self._tables = {
            name: [source.definition, source.partitions.get(release_id, ())]
            for name, source in sources.items()
            if release_id in source.partitions or not source.partitions
        }

    def put_back(self, target: Path, made_by: str) -> int | None:
        """Put the same export in the place of `target`; returns its lines, None where none is kept.

        `made_by`: whatever beside the rows decides on the bytes.
        """
        for kept in self._folder.glob(f"{self._name(made_by)}~*{target.suffix}"):
            lines, modified_ns = kept.stem.split("~")[3:]
            if kept.stat().st_mtime_ns == int(modified_ns) and _link(kept, target):
                return int(lines)
        return None

    def keep(self, written: Path, made_by: str, lines: int) -> None:
        """Keep an export that was just put in place."""
        self._folder.mkdir(exist_ok=True)
        stem = f"{self._name(made_by)}~{lines}~{written.stat().st_mtime_ns}"
        _link(written, self._folder / f"{stem}{written.suffix}")

    def drop_older(self, formats: Collection[str]) -> None:
        """Leave the last few in place of each format, of releases that are published, with nobody who opted out.

        Nor does one stay in plain, or under an earlier key, once files are encrypted with another.
        """
        by_format = {f".{suffix}": list[Path]() for suffix in formats}
        for kept in self._folder.glob("*"):
            release_id, _, rest = kept.name.partition("~")
            if kept.suffix in by_format and release_id in self._releases and rest.startswith(f"{self._readers}~"):
                by_format[kept.suffix].append(kept)
            else:
                kept.unlink()
        for found in by_format.values():
            # Linking changes this time, so it is when one was put in place last.
            for kept in sorted(found, key=lambda path: path.stat().st_ctime_ns, reverse=True)[KEPT_MAX:]:
                kept.unlink()

    def _name(self, made_by: str) -> str:
        content = content_key({"tables": self._tables, "made_by": made_by})
        return f"{self._release_id}~{self._readers}~{content}"


def drop_all_kept(folder: Path) -> None:
    """Keep none, after rows were deleted that they may hold."""
    for kept in (folder / _FOLDER).glob("*"):
        kept.unlink()


def _link(file: Path, target: Path) -> bool:
    """Whether `target` is the same file now; False on a file system without links."""
    if target.exists() and target.samefile(file):  # renaming one link of a file to another does nothing
        return True
    aside = target.with_name(f"{target.name}{_MARK}{process_name()}")
    aside.unlink(missing_ok=True)
    try:
        os.link(file, aside)
    except OSError:
        return False
    aside.replace(target)
    return True
