"""Links to lake files that a published view reads, one folder a publish. What is published is decided in `publish`.

A folder is sealed by a number inside it, the order of publishes; one without belongs to a publish that died.
"""

import shutil
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from recs_platform.lake.disk import replace_text

_SEAL = ".number"


def unused_folder(root: Path, publish_id: str) -> Path:
    """A folder for links; a publish repeated under one id must not touch those that are being read."""
    names = (publish_id if number == 1 else f"{publish_id}-{number}" for number in count(1))
    return next(root / name for name in names if not (root / name).exists())


def link_files(files: Sequence[str], table: Path, folder: Path) -> list[str]:
    """Hard links in `folder` to files of the lake table `table`, in the same subfolders; returns their paths.

    The rows stay readable after the lake drops the files. Raises OSError where lake and folder are on different disks.
    """
    links = [folder / Path(file).relative_to(table) for file in files]
    for file, link in zip(files, links, strict=True):
        link.parent.mkdir(parents=True, exist_ok=True)
        link.hardlink_to(file)
    return [str(link) for link in links]


def seal(folder: Path) -> None:
    """Number the publish after all others; one without links has no folder, and needs none."""
    if folder.is_dir():
        numbers = [_number(other) for other in _folders(folder.parent) if other != folder]
        replace_text(folder / _SEAL, str(max(numbers, default=0) + 1))


def remove_unsealed(root: Path) -> None:
    """Remove links that no published file names."""
    for folder in _folders(root):
        if not (folder / _SEAL).is_file():
            shutil.rmtree(folder)


def drop_older(folder: Path, *, kept: int) -> None:
    """Keep the links in `folder` and those of the newest publishes before it, `kept` in all."""
    others = sorted((other for other in _folders(folder.parent) if other != folder), key=_number, reverse=True)
    for other in others[kept - 1 :]:
        shutil.rmtree(other)


def _folders(root: Path) -> list[Path]:
    return [folder for folder in root.iterdir() if folder.is_dir()] if root.is_dir() else []


def _number(folder: Path) -> int:
    return int((folder / _SEAL).read_text())
