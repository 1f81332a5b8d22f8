"""Ingestions in processes of their own, to be killed there, or here. What they make of landing is not judged here.

`python -m recs_platform_tests.ingestion.children` is a warm parent that forks one child an ingestion: it has every
library imported and no thread started, so that a child is at work a millisecond after it was asked for. It never
touches DuckDB, Delta or Polars itself.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import traceback
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
_PATIENCE_SECONDS = 120
MODULE = "recs_platform_tests.ingestion.children"


class ChildError(Exception):
    """A child failed, not because it was killed; the message is its traceback."""


@dataclass(frozen=True)
class Ended:
    """How a child ended: killed or not, what `ingest` reported, or the traceback of what it raised."""

    is_killed: bool
    report: dict | None
    error: str = ""

    @property
    def is_over(self):
        return not self.is_killed


class Nursery:
    """The warm parent as its user sees it."""

    def __init__(self, process, folder):
        self._process = process
        self._folder = folder
        self._started = 0

    def start(self, home, now, **options):
        """Begin an ingestion of `home` at `now`; returns its pid. Options: `uid`, `file_size_max`, `settle_seconds`."""
        self._started += 1
        said = self._folder / f"{self._started}.json"
        pid = self._ask("start", home=str(home), now=now.isoformat(), said=str(said), **options)
        return int(pid), said

    def wait(self, child):
        """Wait for a child to end. Raises ChildError for a crash, such as a segmentation fault."""
        pid, said = child
        status = int(self._ask("wait", pid=pid))
        if status < 0:
            if -status != signal.SIGKILL:
                raise ChildError(f"ingestion died of signal {-status}")
            return Ended(is_killed=True, report=None)
        told = json.loads(said.read_text())
        return Ended(is_killed=False, report=told.get("report"), error=told.get("error", ""))

    def ingest(self, home, now, **options):
        """One undisturbed ingestion. Raises ChildError when it fails."""
        ended = self.wait(self.start(home, now, **options))
        if ended.report is None:
            raise ChildError(ended.error or "ingestion was killed by another")
        return ended.report

    def _ask(self, what, **request):
        self._process.stdin.write(json.dumps({"what": what, **request}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextmanager
def nursery(folder):
    """A warm parent for the body; it and what is left of its children are gone afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", MODULE]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    )
    try:
        yield Nursery(process, folder)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdin.close()
        process.stdout.close()


@cache
def packaged_sources():
    from recs_platform.stages.events import load_sources

    return load_sources(ROOT / "dbt_like_sql" / "sources")


def take_in(request):
    """One call of `ingest`, with a second source that sends what the contract source sends."""
    from dataclasses import replace

    from recs_platform.contracts.home import Home
    from recs_platform.lake.tables import Lake
    from recs_platform.stages.events import ingest
    from recs_platform.warehouse.connection import connect

    contract = packaged_sources()["contract"]
    sources = {"contract": contract, "tracker": replace(contract, name="tracker")}
    home = Home(Path(request["home"]))
    options = {name: request[name] for name in ("settle_seconds",) if name in request}
    with connect(memory_limit_gb=1, threads=2, temporary=home.temporary) as con:
        now = datetime.fromisoformat(request["now"])
        return ingest(home, Lake(home.lake), sources, con, now=now, progress=lambda _: None, **options)


def ingest_here(home, now, **options):
    """One ingestion in this process, for those that nobody disturbs: a child loads for itself what this one has.

    The report is as a child tells it.
    """
    return json.loads(json.dumps(asdict(take_in({"home": str(home), "now": now.isoformat(), **options}))))


def _load_all(request):
    """Ingest one row elsewhere: what an ingestion loads may lie where only the owner reads."""
    with tempfile.TemporaryDirectory() as folder:
        landing = Path(folder, "landing", "contract")
        landing.mkdir(parents=True)
        (landing / "events.csv").write_text("user_id,item_id,event_type,occurred_at\nu,i,view,2024-01-01\n,i,view,x\n")
        take_in({**request, "home": folder, "settle_seconds": 0})


def _live(request):
    """The whole life of a child, which ends here whatever happens."""
    os.dup2(2, 1)
    # One that hangs dies of it, which its user is told.
    signal.alarm(_PATIENCE_SECONDS)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    # Opened before the child loses its rights, and filled when its disk has room again.
    with Path(request["said"]).open("w") as said:
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (request.get("file_size_max", hard), hard))
            if "uid" in request:
                _load_all(request)
                os.setuid(request["uid"])
            told = {"report": asdict(take_in(request))}
        except BaseException as error:  # noqa: BLE001 - told to the parent, which raises it
            told = {"error": "".join(traceback.format_exception(error))}
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        said.write(json.dumps(told))
    os._exit(0)


def main():
    import deltalake  # noqa: F401
    import duckdb  # noqa: F401
    import pandas as pd  # noqa: F401 - pyarrow imports it when it meets its first Python list
    import polars as pl  # noqa: F401
    import pyarrow.dataset  # deltalake and pyarrow.parquet import it when they are first used
    import pyarrow.pandas_compat
    import pyarrow.parquet  # noqa: F401
    import sqlglot.dialects.duckdb  # noqa: F401 - sqlglot imports a dialect when its first SQL is parsed

    import recs_platform.stages.events
    import recs_platform.warehouse.connection  # noqa: F401

    packaged_sources()
    for line in sys.stdin:
        request = json.loads(line)
        if request["what"] == "start":
            answer = os.fork()
            if answer == 0:
                _live(request)
        else:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["pid"], 0)[1])
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
