"""A process that dies at a step of its work, in this process: from then on nothing it does reaches the disk.

A step is whatever changes files: a rename, a flush, a removal, a file or table that is written.
"""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recs_platform.warehouse.published_writer import TableWriter

# Each looked up where it is called.
_STEPS: tuple[tuple[Any, str], ...] = (
    *((os, name) for name in ("rename", "replace", "fsync", "link", "unlink", "chmod")),
    *((shutil, name) for name in ("copyfile", "rmtree")),
    (pl.DataFrame, "write_parquet"),
    (np, "save"),
    (Path, "write_text"),
    (TableWriter, "_write"),
)


class Killed(BaseException):
    """Nothing catches it; what runs on its way out changes nothing any more."""


class Steps:
    """Counts the steps of what is run; at step `dies_at` the process is dead, or really killed."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def run(self, work: Callable[[], object], dies_at: int | None = None, *, really: bool = False) -> bool:
        """Whether the work was done."""
        self.names = []

        def counted(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
            def step(*arguments: Any, **options: Any) -> Any:
                self.names.append(name)
                if dies_at is not None and len(self.names) > dies_at:
                    if really:
                        os.kill(os.getpid(), signal.SIGKILL)
                    raise Killed(name)
                return original(*arguments, **options)

            return step

        with pytest.MonkeyPatch.context() as patch:
            for owner, name in _STEPS:
                patch.setattr(owner, name, counted(name, getattr(owner, name)))
            try:
                work()
            except Killed:
                return False
        return True
