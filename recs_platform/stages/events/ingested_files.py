"""Files that were ingested leave landing, where the settings say so: they hold ids and payloads in plain.

Files of which age left nothing go in `retention`, records of one person in `landing_removal`.
"""

from collections.abc import Callable, Mapping

from recs_platform.contracts.home import Home, Lock
from recs_platform.lake.locks import exclusive
from recs_platform.lake.tables import Lake
from recs_platform.stages.events.landing import file_state, known_contents, look_into_landing
from recs_platform.stages.events.sources import DataSource


def delete_ingested(
    home: Home, sources: Mapping[str, DataSource], lake: Lake, progress: Callable[[str], None]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Delete every landed file whose content the ledger holds, one with rejected rows too: (deleted, undeletable).

    Names are relative to landing. Files that are new, still being written or of no source stay. Waits for an ingestion.
    """
    deleted: list[str] = []
    undeletable: list[str] = []
    with exclusive(home.lock(Lock.INGEST), on_wait=progress):
        known = set(known_contents(lake))
        for file in look_into_landing(home, sources).files:
            if not {(file.file_hash, table) for table in file.kind.tables} <= known:
                continue
            try:
                # Written to since it was hashed: it is another file now.
                if file_state(file.path) == file.state:
                    file.path.unlink()
                    deleted.append(file.source_file)
            except OSError:
                undeletable.append(file.source_file)
    return tuple(deleted), tuple(undeletable)
