"""Every column of every feature table, against loops in plain Python, over random logs and any two instants."""

import math
import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from recs_platform.contracts import columns as c
from recs_platform.lake.tables import Lake
from recs_platform.warehouse.connection import connect
from recs_platform.warehouse.models import Models, load_models
from recs_platform.warehouse.runner import ModelRun
from recs_platform_tests.features_reference.events import microseconds
from recs_platform_tests.features_reference.items import item_audiences, item_features
from recs_platform_tests.features_reference.known import Known
from recs_platform_tests.features_reference.logs import Example, examples, long_example, on_the_edge, tables
from recs_platform_tests.features_reference.pairs import candidate_features
from recs_platform_tests.features_reference.sequences import item_transitions, session_ngrams
from recs_platform_tests.features_reference.users import Rows, user_affinities, user_features

REFERENCE: dict[str, Callable[[Known], Rows]] = {
    "features.user_features": user_features,
    "features.user_affinities": user_affinities,
    "features.item_features": item_features,
    "features.item_audiences": item_audiences,
    "features.item_transitions": item_transitions,
    "features.session_ngrams": session_ngrams,
    "features.candidate_features": candidate_features,
}
RELATIVE, ABSOLUTE = 1e-6, 2e-9  # sums keep nine digits
Check = Callable[[Example, Models], list[str]]


@pytest.fixture(scope="module")
def differences() -> Iterator[Check]:
    """What the product and the reference do not agree on, in one connection for all examples."""
    con = connect(memory_limit_gb=1, threads=1)

    def find(example: Example, models: Models) -> list[str]:
        run = ModelRun(
            con, Lake(Path("no-lake")), models, (), as_of=example.as_of, known_at=example.known_at, scratch=True
        )
        for name, rows in tables(example).items():
            run.register(name, rows)
        known = Known(example.log, example.as_of, example.known_at)
        return [text for name, of in REFERENCE.items() for text in _compare(run, models, name, of(known))]

    yield find
    con.close()


def _compare(run: ModelRun, models: Models, name: str, expected: Rows) -> Iterator[str]:
    grain = models.get(name).grain
    found = {tuple(row[key] for key in grain): row for row in run.frame(name).to_dicts()}
    if found.keys() != expected.keys():
        yield f"{name}: only there {found.keys() - expected.keys()}, only here {expected.keys() - found.keys()}"
    for key in sorted(found.keys() & expected.keys()):
        for column, (theirs, ours) in _columns(found[key], expected[key], grain, run.as_of).items():
            if not _equal(theirs, ours):
                yield f"{name}.{column} of {key}: {theirs}, by the reference {ours}"


def _columns(
    found: Mapping[str, Any], expected: Mapping[str, Any], grain: tuple[str, ...], as_of: datetime
) -> dict[str, tuple[Any, Any]]:
    """What each says of each column that is not part of the grain."""
    ours = {c.AS_OF: as_of, **expected}
    names = (found.keys() | ours.keys()) - set(grain)
    return {name: (found.get(name, "no column"), ours.get(name, "no column")) for name in sorted(names)}


def _equal(theirs: Any, ours: Any) -> bool:
    if isinstance(theirs, datetime):
        return isinstance(ours, datetime) and microseconds(theirs) == microseconds(ours)
    if isinstance(theirs, float | Decimal) and isinstance(ours, int | float):
        return math.isclose(theirs, ours, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return type(theirs) is type(ours) and theirs == ours


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(example=examples())
def test_features_are_what_plain_loops_say(example: Example, models: Models, differences: Check):
    assert differences(example, models) == []


def test_features_of_a_long_log_are_what_plain_loops_say(models: Models, differences: Check):
    assert differences(long_example(), models) == []


OFF_BY_ONE = [
    ("stg_resolved_events", "occurred_at < $as_of", "occurred_at <= $as_of"),
    ("stg_known_events", "ingested_at <= $known_at", "ingested_at < $known_at"),
]


@pytest.mark.parametrize(("model", "right", "wrong"), OFF_BY_ONE, ids=["occurred_at", "ingested_at"])
def test_a_planted_off_by_one_is_found(
    model: str, right: str, wrong: str, models: Models, differences: Check, sql_folder: Path, tmp_path: Path
):
    folder = shutil.copytree(sql_folder / "models", tmp_path / "models")
    path = folder / "staging" / f"{model}.sql"
    assert path.read_text().count(right) == 1
    path.write_text(path.read_text().replace(right, wrong))
    planted = load_models(folder, list(models.contracts.values()))
    found = differences(on_the_edge(), planted)
    assert {text.split(".")[1].split(":")[0] for text in found} >= {"user_features", "item_features"}


def test_what_happens_on_the_edge_is_counted_once(models: Models, differences: Check):
    assert differences(on_the_edge(), models) == []
