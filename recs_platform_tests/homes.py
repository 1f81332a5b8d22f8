"""Small homes for tests of the whole graph: settings, runs, hashes, the command line. Truths are tested elsewhere."""

import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from dagster._core.execution.context.data_version_cache import DataVersionCache

from recs_platform.cli import main, releases
from recs_platform.contracts.tables import LISTS
from recs_platform.contracts.time import as_of_key
from recs_platform.defs.assembly import definitions_of
from recs_platform.defs.partitions import AS_OF_PARTITIONS
from recs_platform.defs.resources import KNOWN_AT_TAG
from recs_platform.pages import charts
from recs_platform.pipeline.ingestion.ingest import ingest_files, settle_ledger
from recs_platform.pipeline.platform import Platform, sql_folder
from recs_platform.settings import Settings
from recs_platform.stages import segments
from recs_platform.stages.events.flag_updates import flag_events
from recs_platform.stages.reports import evidently_adapter
from recs_platform.warehouse.database_options import DatabaseOptions
from recs_platform.warehouse.hashing import content_hash
from recs_platform.warehouse.query import query

SMALL: dict[str, Any] = {
    "threads": 1,
    "memory_limit_gb": 2.0,
    "horizon_days": 5,
    "evaluation_windows": 2,
    "evaluation_windows_min": 1,
    # One window a ranker; the ranker serves untried, but where a test asks for trials.
    "training": {"windows_min": 1, "positives_min": 1, "trials": 0},
    "evaluation_protocol": "global",
    "candidates_per_source": 15,
    "landing_settle_seconds": 0.0,
    # Sources cost a few hundredths of a second a window each; each keeps its promises in a test of its own.
    "retrieval": {"sources": {name: {"enabled": False} for name in ("spectral", "user_knn", "vs_knn", "trending_1d")}},
    "ranking": {"compile": False},  # a second of a core a ranker; the same scores
    "data_tests": False,  # hundreds of records a build: the shared home has them
}
LEARNED = ("embeddings", "item_index", "windows", "ranker")
AS_OF_SCHEMAS = ("features.", "segments.", "retrieval.", "ranking.", "recommendations.", "reports.", "marts.")


@dataclass(frozen=True)
class Built:
    """A home built once, and what it was as of; tests only read it."""

    platform: Platform
    as_of: datetime
    known_at: datetime


def environment(settings: Mapping[str, Any]) -> dict[str, str]:
    """Settings as environment variables."""
    return {
        f"RECS_{name.upper()}": json.dumps(value) if isinstance(value, dict) else str(value)
        for name, value in settings.items()
    }


def platform_at(home: Path, **settings: Any) -> Platform:
    """The platform of a home, with small windows; neither the environment nor another home's recs.toml has a say."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECS_HOME", str(home))
        return Platform(Settings(home=home, **{**SMALL, **settings}), sql_folder())


def copy_home(source: Platform, target: Path, *, without: Iterable[str] = (), **settings: Any) -> Platform:
    """A copy of a home to write into, less the named artifacts and what the runs of other tests share just now.

    Parquet of the lake and of artifacts is linked: the platform never changes such a file, and a test that does must
    write a new one in its place.
    """
    left_out = {str(source.home.artifacts / name) for name in without}
    left_out |= {str(folder) for folder in source.home.temporary.glob("*")}
    shutil.copytree(
        source.home.root,
        target,
        copy_function=_link_or_copy,
        ignore=lambda folder, names: [name for name in names if str(Path(folder, name)) in left_out],
    )
    return platform_at(target, **settings)


def _link_or_copy(source: str, target: str) -> None:
    is_immutable = source.endswith(".parquet") and {"lake", "artifacts"} & set(Path(source).parts)
    with suppress(FileNotFoundError) if source.endswith(("-shm", "-wal")) else nullcontext():
        # Another process that closes a database meanwhile takes its log away: the file has all of it then.
        (os.link if is_immutable else shutil.copy2)(source, target)


def ignore(_kind: str, _text: str) -> None:
    """Watches nothing."""


def draw_nothing(patch: pytest.MonkeyPatch) -> None:
    """Leave out every drawing, a tenth of a small build, where a test looks at no page."""
    patch.setattr(evidently_adapter, "write_page", lambda *_, **__: None)
    patch.setattr(charts, "_svg", lambda *_: "")
    patch.setattr(segments, "draw_plots", lambda *_: {})


def execute(platform: Platform, job: str, *, key: str | None, **options: Any) -> dg.ExecuteInProcessResult:
    """Run a job in this process on an instance that is forgotten afterwards; a failure is a result, not an error."""
    with dg.DagsterInstance.ephemeral() as instance:
        if key is not None:
            instance.add_dynamic_partitions(str(AS_OF_PARTITIONS.name), [key])
        job_def = definitions_of(platform).resolve_job_def(job)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(DataVersionCache, "_fetch_input_asset_version_info", _no_versions)
            draw_nothing(patch)
            return job_def.execute_in_process(instance=instance, partition_key=key, raise_on_error=False, **options)


def _no_versions(cache: Any, keys: Iterable[dg.AssetKey]) -> None:
    """An instance that is forgotten is asked nothing of staleness: a fifth of a small build goes into such queries."""
    cache.input_asset_version_info.update(dict.fromkeys(keys))


def take_in(platform: Platform) -> None:
    """Ingest everything in landing and flag what is new: the work of the job `ingest`, without Dagster."""
    now = datetime.now(UTC)
    with platform.connection() as con:
        ingest_files(platform, con, now=now, progress=_say_nothing)
        settle_ledger(platform, con, now=now, progress=_say_nothing)
    with platform.model_run(now, now) as run:
        flag_events(platform.home, platform.lake, run, now=now, progress=_say_nothing)


def _say_nothing(_sentence: str) -> None:
    pass


def make_lists(platform: Platform, as_of: datetime, known_at: datetime | None = None) -> None:
    """Everything that recommendations.lists needs, the segments, and nothing after them."""
    lists = dg.AssetSelection.assets(dg.AssetKey(LISTS.name.split(".")))
    make(platform, as_of, lists.upstream() | dg.AssetSelection.groups("segments"), known_at)


def make(platform: Platform, as_of: datetime, chosen: dg.AssetSelection, known_at: datetime | None = None) -> None:
    """The chosen assets, with those that one step makes together; events stay as they are."""
    graph = definitions_of(platform).resolve_asset_graph()
    keys = (chosen - dg.AssetSelection.groups("events")).resolve(graph)
    siblings = {sibling for key in keys for sibling in graph.get(key).execution_set_asset_keys}
    tags = {} if known_at is None else {KNOWN_AT_TAG: known_at.isoformat()}
    result = execute(platform, "build", key=as_of_key(as_of), asset_selection=sorted(siblings), tags=tags)
    assert result.success, failures(result)


def failures(result: dg.ExecuteInProcessResult) -> str:
    """Every error of a run, causes included: of its steps, and of what it needs to start."""
    said: list[str] = []
    for event in result.all_events:
        if event.event_type is dg.DagsterEventType.RUN_FAILURE and event.job_failure_data.error is not None:
            said.append(event.job_failure_data.error.message)
        if event.is_step_failure:
            error: Any = event.step_failure_data.error
            while error is not None:
                said.append(error.message)
                error = error.cause
            if event.step_failure_data.user_failure_data is not None:
                said.append(str(event.step_failure_data.user_failure_data.description))
    return "\n".join(said)


def as_of_tables(platform: Platform) -> dict[str, int]:
    """Versions of the as-of tables that the lake holds."""
    return {name: platform.lake.version(name) for name in platform.lake.names() if name.startswith(AS_OF_SCHEMAS)}


def hashes(platform: Platform, as_of: datetime, known_at: datetime, names: Sequence[str]) -> dict[str, str]:
    """Content hash of each table's partition, less what names the ranker's artifact."""
    found: dict[str, str] = {}
    for name in names:
        with platform.model_run(as_of, known_at) as run, platform.connection() as con:
            frame = run.frame(name).drop("ranker_version", strict=False)
            assert frame.height, f"{name} is empty"
            con.register("rows_of_it", frame.to_arrow())
            con.execute("create table hashed as from rows_of_it")
            found[name] = content_hash(con, "hashed")
    return found


def ask(platform: Platform, sql: str) -> pl.DataFrame:
    """Rows of a query on the published file."""
    return query(platform.home.analytics, sql, DatabaseOptions(1, 1))


def land_contract(platform: Platform, name: str, rows: Sequence[dict[str, Any]]) -> None:
    """Contract rows as a JSONL file in landing."""
    path = platform.home.landing / "contract" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


class CommandLine:
    """`recs` in this process, through its entry point, with the home in the environment."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys
        # A process that outlives the command would outlive the test.
        monkeypatch.setattr(releases, "tell_ui_later", lambda _: None)

    def __call__(self, home: Path, *arguments: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        self._monkeypatch.setenv("RECS_HOME", str(home))
        self._monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
        for name, value in environment(SMALL).items():
            self._monkeypatch.setenv(name, value)
        self._monkeypatch.setattr(sys, "argv", ["recs", *arguments])
        # Under `python -m pytest` click would call the program so.
        self._monkeypatch.setattr(sys.modules["__main__"], "__package__", None, raising=False)
        self._capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        said = self._capsys.readouterr()
        return code, said.out, said.err
