"""The audit trail: who processed what about people, when and for what, one line each, never changed.

It names commands and jobs, purposes and tables; no person, not even as a hash.
"""

import json
import os
from collections.abc import Sequence
from datetime import datetime

from recs_platform.contracts.home import Home
from recs_platform.lake.disk import write_whole

Entry = dict[str, str]
# Of every entry, in this order.
FIELDS = ("at", "actor", "action", "purpose", "tables", "run_id")


def record_processing(
    home: Home, at: datetime, action: str, purpose: str, tables: Sequence[str], *, actor: str, run_id: str = ""
) -> None:
    """Append an entry. Does nothing where there is no home yet. Raises OSError where it cannot be written."""
    if not home.root.is_dir():
        return
    home.logs.mkdir(parents=True, exist_ok=True)
    values = (at.isoformat(), actor, action, purpose, ", ".join(tables), run_id)
    line = json.dumps(dict(zip(FIELDS, values, strict=True))) + "\n"
    descriptor = os.open(home.audit, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        # A full disk cut the line before: this one begins anew, or both would be lost.
        is_cut = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        # One write, unless the disk is full: lines of several processes do not mix.
        write_whole(descriptor, (b"\n" if is_cut else b"") + line.encode())
    finally:
        os.close(descriptor)


def read_processing(home: Home) -> list[Entry]:
    """Every entry, oldest first; a line that a full disk cut is left out."""
    if not home.audit.exists():
        return []
    lines = home.audit.read_text("utf-8", errors="replace").splitlines()
    return [entry for line in lines if (entry := _entry(line)) is not None]


def _entry(line: str) -> Entry | None:
    try:
        found = json.loads(line)
        return {name: str(found[name]) for name in FIELDS}
    except (ValueError, KeyError, TypeError):
        return None
