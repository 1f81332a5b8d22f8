"""The graph tells the truth: each step of a build declares the tables and artifacts it reads, and no others."""

import sys
from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from recs_platform.contracts.time import as_of_key
from recs_platform.defs.assembly import build_definitions
from recs_platform.defs.resources import AsOfResource
from recs_platform.lake.tables import Lake
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.platform import Platform
from recs_platform.stages.reports import REPORTS
from recs_platform_tests.homes import copy_home, execute, failures
from recs_platform_tests.worlds import TINY

ARTIFACTS = {
    "embeddings": "retrieval.embeddings",
    "item_index": "retrieval.item_index",
    "windows": "ranking.training_set",
    "ranker": "ranking.ranker",
    "releases": "releases.release",
}
VERDICTS = {f"{report.name}.verdicts.parquet": report.table.name for report in REPORTS}


class Recorder:
    """Tables and artifacts read, by the step that was running."""

    def __init__(self, home: Path) -> None:
        self.reads: dict[int, set[str]] = defaultdict(set)
        self.step = -1
        self.home = home
        self.is_on = False

    def note(self, name: str) -> None:
        if self.is_on:
            self.reads[self.step].add(name)

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Hears of every file that Python opens."""
        if self.is_on and event == "open" and isinstance(arguments[0], str):
            path = Path(arguments[0])
            if self.home in path.parents and ".tmp-" not in arguments[0]:
                room, *inside = path.relative_to(self.home).parts
                self.note(ARTIFACTS.get(inside[0], "") if room == "artifacts" else VERDICTS.get(path.name, ""))


@pytest.fixture(scope="module")
def recorded(taken_in: Platform, tmp_path_factory: pytest.TempPathFactory) -> tuple[Platform, dict[str, set[str]]]:
    """A whole build in which no step profits from what another has read."""
    platform = copy_home(taken_in, tmp_path_factory.mktemp("truth") / "home")
    recorder = Recorder(platform.home.root)
    sys.addaudithook(recorder.audit)

    def take(self: AsOfResource, as_of: Any, known_at: Any) -> AsOfRun:
        recorder.step += 1
        recorder.is_on = True
        return AsOfRun(platform, as_of, known_at, raw_versions=self._raw_versions)

    def files(self: Lake, name: str, *arguments: Any, **named: Any) -> list[str]:
        recorder.note(name)
        return original(self, name, *arguments, **named)

    original = Lake.files
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AsOfResource, "take", take)
        patch.setattr(Lake, "files", files)
        result = execute(platform, "build", key=as_of_key(TINY.start + timedelta(days=TINY.days)))
    recorder.is_on = False
    assert result.success, failures(result)
    steps = [event.step_key for event in result.all_events if event.event_type is dg.DagsterEventType.STEP_START]
    return platform, {str(step): recorder.reads[number] - {""} for number, step in enumerate(steps)}


def test_every_step_declares_what_it_reads_and_reads_what_it_declares(
    recorded: tuple[Platform, dict[str, set[str]]],
) -> None:
    platform, reads = recorded
    declared = declared_reads(build_definitions(platform).assets or ())
    wrong = {
        step: {
            "undeclared": sorted(found - upstream - made),
            "unread": sorted(stored(platform, upstream - found - made)),
        }
        for step, found in reads.items()
        for upstream, made in (declared[step],)
    }
    assert {step: both for step, both in wrong.items() if any(both.values())} == {}


def stored(platform: Platform, names: set[str]) -> set[str]:
    """Those that are no table, or one with rows: an empty one is passed over without a look at its files."""
    lake = platform.lake
    return {name for name in names if not lake.exists(name) or lake.files(name)} - {
        name for name in names if name.startswith("raw.") and not lake.exists(name)
    }


def declared_reads(assets: Iterable[Any]) -> dict[str, tuple[set[str], set[str]]]:
    """Upstream tables of each step, and those that it makes."""
    found: dict[str, tuple[set[str], set[str]]] = {}
    for asset in assets:
        if isinstance(asset, dg.AssetsDefinition):
            made = {".".join(key.path) for key in asset.keys}
            upstream = {".".join(dep.asset_key.path) for spec in asset.specs for dep in spec.deps}
            found[asset.op.name] = (upstream, made)
    return found
