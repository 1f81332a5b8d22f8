"""A build started in the UI: each step declares what it reads, and no more; the run leaves the record of a build."""

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.tables import CONTENDERS
from recs_platform.contracts.time import as_of_key
from recs_platform.defs.assembly import build_definitions
from recs_platform.defs.instance import open_instance
from recs_platform.defs.resources import AsOfResource
from recs_platform.lake.tables import Lake
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.build_records import last_build, partial_builds
from recs_platform.pipeline.platform import Platform
from recs_platform.stages.ranking import HISTORY_GROUPS
from recs_platform.stages.reports import REPORTS
from recs_platform_tests.defs.test_staleness import agreed
from recs_platform_tests.homes import LEARNED, SMALL, Built, copy_home, draw_nothing, failures

pytestmark = pytest.mark.trial
# Read only where there is an older release, and a log of impressions that neither was made from.
SOMETIMES = {"reports__off_policy": {"recommendations.lists"}}

ARTIFACTS = {
    "embeddings": "retrieval.embeddings",
    "item_index": "retrieval.item_index",
    "windows": "ranking.training_set",
    "ranker": "ranking.ranker",
    "releases": "releases.release",
}
PART = ["marts", "funnel"]
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
                self.note(
                    ARTIFACTS.get(inside[0] if inside else "", "")
                    if room == "artifacts"
                    else VERDICTS.get(path.name, "")
                )


@dataclass(frozen=True)
class Recorded:
    """A home before and after two runs of the UI, one of a single asset and one of all; what each step read."""

    platform: Platform
    before: Manifest | None
    after_a_part: Manifest | None
    parts: list[Manifest]
    every: list[dg.AssetKey]
    reads: dict[str, set[str]]


@pytest.fixture(scope="module")
def recorded(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """A whole build with nothing learned and released before, in which no step profits from what another has read."""
    home = tmp_path_factory.mktemp("truth") / "home"
    # Evaluation adds windows that were built neither to learn from nor for trials.
    asked: dict[str, Any] = {"evaluation_windows": 5, "evaluation_windows_min": 1, "evaluation_precision": 0.0}
    asked["training"] = {**SMALL["training"], "trials": 2}
    asked["lists"] = {"contributions_kept": 2}  # what parts of scores are made from is read where they are kept
    platform = copy_home(built.platform, home, without=[*LEARNED, "releases"], **asked)
    definitions = build_definitions(platform)
    graph = definitions.resolve_asset_graph()
    every = [key for key in graph.materializable_asset_keys if graph.get(key).is_partitioned]
    before = last_build(platform, built.as_of)
    with open_instance(platform.home) as instance:

        def materialize(keys: list[dg.AssetKey]) -> dg.ExecuteInProcessResult:
            """As the UI does: a run that names its assets."""
            job = definitions.resolve_implicit_global_asset_job_def()
            done = job.execute_in_process(
                instance=instance, asset_selection=keys, partition_key=as_of_key(built.as_of), raise_on_error=False
            )
            assert done.success, failures(done)
            return done

        materialize([dg.AssetKey(PART)])
        after_a_part, parts = last_build(platform, built.as_of), partial_builds(platform, built.as_of)
        reads = record_reads(platform, lambda: materialize(every))
        return Recorded(platform, before, after_a_part, parts, every, reads)


def record_reads(platform: Platform, run: Callable[[], dg.ExecuteInProcessResult]) -> dict[str, set[str]]:
    """Tables and artifacts that each step of a run reads."""
    recorder, original = Recorder(platform.home.root), Lake.files
    sys.addaudithook(recorder.audit)

    def take(self: AsOfResource, as_of: Any, known_at: Any) -> AsOfRun:
        recorder.step += 1
        recorder.is_on = True
        return AsOfRun(platform, as_of, known_at, raw_versions=self._raw_versions)

    def files(self: Lake, name: str, *arguments: Any, **named: Any) -> list[str]:
        recorder.note(name)
        return original(self, name, *arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AsOfResource, "take", take)
        patch.setattr(Lake, "files", files)
        draw_nothing(patch)
        result = run()
    recorder.is_on = False
    steps = [event.step_key for event in result.all_events if event.event_type is dg.DagsterEventType.STEP_START]
    return {str(step): recorder.reads[number] - {""} for number, step in enumerate(steps)}


def test_a_run_of_one_asset_is_recorded_as_part_of_the_build(recorded: Recorded) -> None:
    (record,) = recorded.parts
    assert record.parameters["assets"] == [".".join(PART)]
    assert recorded.before is not None
    assert recorded.after_a_part == recorded.before


def test_a_run_of_all_assets_leaves_the_record_of_a_build(recorded: Recorded, built: Built) -> None:
    before, after = recorded.before, last_build(recorded.platform, built.as_of)
    assert after is not None
    assert before is not None
    assert after.version != before.version
    assert {**after.parameters, **after.inputs}.keys() == {**before.parameters, **before.inputs}.keys()
    assert set(after.parameters["assets"]) == {".".join(key.path) for key in recorded.every}
    assert partial_builds(recorded.platform, built.as_of) == []


def test_after_it_the_ui_and_the_plan_find_nothing_to_build(recorded: Recorded, built: Built) -> None:
    with open_instance(recorded.platform.home) as instance:
        assert not agreed(recorded.platform, instance, built.as_of)


def test_what_orders_the_lists_was_tried_and_is_one_for_each_group(recorded: Recorded, built: Built) -> None:
    with recorded.platform.model_run(built.as_of, built.known_at) as models:
        rows = models.frame(CONTENDERS.name)
    chosen = rows.filter("is_chosen")
    assert chosen["history_group"].sort().to_list() == sorted(["all", *(name for name, _ in HISTORY_GROUPS)])
    assert rows["n_cutoffs"].max() == 2
    assert rows.filter(pl.col("contender") == "ranker", pl.col("history_group") == "all")["ndcg"].item() is not None


def test_every_step_declares_what_it_reads_and_reads_what_it_declares(recorded: Recorded) -> None:
    platform, reads = recorded.platform, recorded.reads
    declared = declared_reads(build_definitions(platform).assets or ())
    wrong = {
        step: {
            "undeclared": sorted(found - upstream - made),
            "unread": sorted(stored(platform, upstream - found - made) - SOMETIMES.get(step, set[str]())),
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
