"""What Dagster recorded of a run's steps: when each began and ended, and the rows and groups of what it made."""
# Dagster leaves parts of its metadata untyped.
# pyright: reportUnknownMemberType=false

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import dagster as dg
from dagster._core.storage.tags import KIND_PREFIX

from recs_platform.defs.assembly import definitions_of
from recs_platform.pipeline.platform import Platform


@dataclass(frozen=True)
class StepRecord:
    """A step that ended well; instants in seconds since 1970. `rows`: of all it made, None where none says so."""

    name: str
    start: float
    end: float
    rows: int | None
    groups: frozenset[str]
    kinds: frozenset[str]


def step_records(platform: Platform, instance: dg.DagsterInstance, run_id: str) -> list[StepRecord]:
    """The steps of a run in the order they began."""
    graph = definitions_of(platform).resolve_asset_graph()
    made: dict[str, list[tuple[dg.AssetKey, int | None]]] = {}
    for key, step, rows in _made(instance, run_id):
        made.setdefault(step, []).append((key, rows))
    records: list[StepRecord] = []
    for step in instance.get_run_step_stats(run_id):
        if step.start_time is None or step.end_time is None:
            continue
        nodes = [graph.get(key) for key, _ in made.get(step.step_key, [])]
        counts = [rows for _, rows in made.get(step.step_key, []) if rows is not None]
        records.append(
            StepRecord(
                step.step_key,
                step.start_time,
                step.end_time,
                sum(counts) if counts else None,
                frozenset(node.group_name for node in nodes if node.group_name),
                frozenset(kind for node in nodes for kind in _kinds(node.tags)),
            )
        )
    return sorted(records, key=lambda record: record.start)


def _kinds(tags: Mapping[str, str]) -> Iterator[str]:
    return (tag.removeprefix(KIND_PREFIX) for tag in tags if tag.startswith(KIND_PREFIX))


def _made(instance: dg.DagsterInstance, run_id: str) -> list[tuple[dg.AssetKey, str, int | None]]:
    """Each asset of a run, the step that made it, and its rows."""
    found: list[tuple[dg.AssetKey, str, int | None]] = []
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION):
        event = entry.asset_materialization
        if event is not None and entry.step_key is not None:
            rows = event.metadata.get("dagster/row_count")
            found.append((event.asset_key, entry.step_key, None if rows is None else int(str(rows.value))))
    return found
