"""Models run as of an instant read only what was known then, wherever their upstream tables come from."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from recs_platform.contracts.errors import ContractError, NotReady, UsageError
from recs_platform.contracts.tables import CANDIDATES, EVENTS, ITEMS
from recs_platform.lake.tables import Lake
from recs_platform.warehouse.connection import connect
from recs_platform.warehouse.models import Models, load_models
from recs_platform.warehouse.runner import ModelRun

Instant = Callable[..., datetime]
Events = Callable[..., pl.DataFrame]
THREE = (("a", "u1", 1), ("b", "u1", 2), ("c", "u2", 5))


@pytest.fixture
def models(folder: Path, activity: None) -> Models:
    return load_models(folder, (EVENTS, ITEMS, CANDIDATES))


@pytest.fixture
def run(con: duckdb.DuckDBPyConnection, lake: Lake, models: Models, instant: Instant) -> Callable[..., ModelRun]:
    def start(as_of: datetime, **options: object) -> ModelRun:
        return ModelRun(con, lake, models, (), **{"as_of": as_of, "known_at": instant(31), **options})

    return start


def counts(frame: pl.DataFrame) -> dict[str, int]:
    return dict(frame.select("user_id", "event_count").iter_rows())


def test_a_run_uses_only_events_before_its_instant(
    run: Callable[..., ModelRun], lake: Lake, events: Events, instant: Instant
) -> None:
    lake.append("raw.events", events(*THREE), partition_by=EVENTS.partition_by)
    assert run(instant(5)).materialize("features.activity").rows == 1
    assert run(instant(5, 1)).materialize("features.activity").rows == 2
    assert lake.as_ofs("features.activity") == [instant(5), instant(5, 1)]
    assert counts(run(instant(5)).frame("features.activity")) == {"u1": 2}
    assert counts(run(instant(5, 1)).frame("features.activity")) == {"u1": 2, "u2": 1}


def test_a_table_is_empty_where_no_event_lies_before(
    run: Callable[..., ModelRun], lake: Lake, events: Events, instant: Instant
) -> None:
    lake.append("raw.events", events(*THREE), partition_by=EVENTS.partition_by)
    first = instant(1)
    assert [run(at, scratch=True).is_empty("features.activity") for at in (first, instant(2))] == [True, False]


def test_a_run_uses_only_rows_known_by_then(
    run: Callable[..., ModelRun], lake: Lake, events: Events, instant: Instant
) -> None:
    late = events(("d", "u1", 1)).with_columns(pl.lit(instant(9)).alias("ingested_at"))
    lake.append("raw.events", pl.concat([events(*THREE), late]), partition_by=EVENTS.partition_by)
    assert counts(run(instant(5), known_at=instant(5), scratch=True).frame("features.activity")) == {"u1": 2}
    assert counts(run(instant(5), known_at=instant(9), scratch=True).frame("features.activity")) == {"u1": 3}


def test_stored_columns_have_the_types_of_the_yml(
    run: Callable[..., ModelRun], lake: Lake, events: Events, instant: Instant
) -> None:
    lake.append("raw.events", events(*THREE), partition_by=EVENTS.partition_by)
    run(instant(6)).materialize("features.activity")
    stored = {field.name: str(field.type) for field in lake.arrow_schema("features.activity")}
    assert list(stored) == ["as_of", "user_id", "event_count", "value_sum", "event_ids"]
    assert (stored["event_count"], stored["value_sum"]) == ("int32", "double")
    frame = run(instant(6)).frame("features.activity", ordered=True)
    assert frame["as_of"].to_list() == [instant(6)] * 2
    assert frame["event_ids"].to_list() == [["a", "b"], ["c"]]
    assert frame["value_sum"].to_list() == [0.2, 0.1]


def test_a_stored_upstream_is_read_and_a_scratch_one_computed(
    run: Callable[..., ModelRun], lake: Lake, events: Events, instant: Instant
) -> None:
    lake.append("raw.events", events(*THREE), partition_by=EVENTS.partition_by)
    with pytest.raises(NotReady, match=r"marts\.busiest"):
        run(instant(6)).frame("marts.busiest")
    with pytest.raises(NotReady, match=r"features\.activity"):
        run(instant(6)).materialize("marts.busiest")
    assert run(instant(6), scratch=True).frame("marts.busiest")["event_count"].to_list() == [2]
    assert lake.names() == ["raw.events"]


def test_materializing_again_replaces_the_instant_and_no_other(
    run: Callable[..., ModelRun], lake: Lake, events: Events, instant: Instant
) -> None:
    lake.append("raw.events", events(*THREE), partition_by=EVENTS.partition_by)
    for as_of in (instant(5), instant(6)):
        run(as_of).materialize("features.activity")
    again = run(instant(6))
    assert counts(again.frame("features.activity")) == {"u1": 2, "u2": 1}
    lake.append("raw.events", events(("d", "u3", 3)), partition_by=EVENTS.partition_by)
    fresh = run(instant(6))
    fresh.frame("features.activity")
    fresh.materialize("features.activity")
    assert counts(fresh.frame("features.activity")) == {"u1": 2, "u2": 1, "u3": 1}
    assert counts(run(instant(5)).frame("features.activity")) == {"u1": 2}


def test_a_run_keeps_to_the_versions_it_first_read(
    run: Callable[..., ModelRun], lake: Lake, events: Events, instant: Instant
) -> None:
    first = lake.append("raw.events", events(*THREE), partition_by=EVENTS.partition_by)
    started = run(instant(6), scratch=True)
    assert started.frame("raw.events").height == 3
    lake.append("raw.events", events(("d", "u3", 3)), partition_by=EVENTS.partition_by)
    assert started.frame("raw.events").height == 3
    assert started.versions == {"raw.events": first}
    assert counts(run(instant(6), versions={"raw.events": first}, scratch=True).frame("features.activity")) == {
        "u1": 2,
        "u2": 1,
    }
    assert run(instant(6), scratch=True).frame("features.activity").height == 3


def test_an_absent_contract_table_is_an_empty_one(run: Callable[..., ModelRun], instant: Instant) -> None:
    items = run(instant(1)).frame("raw.items")
    assert items.height == 0
    assert items.columns == list(ITEMS.column_names)
    assert items.schema["tags"] == pl.List(pl.String)
    assert run(instant(1)).materialize("features.activity").rows == 0
    assert run(instant(1)).frame("features.activity").schema["event_count"] == pl.Int32


def test_a_stand_in_gets_the_declared_types_and_this_as_of(run: Callable[..., ModelRun], instant: Instant) -> None:
    scratch = run(instant(6), scratch=True)
    with pytest.raises(NotReady, match="registered"):
        scratch.require("retrieval.candidates")
    given = pl.DataFrame({"user_id": ["u"], "item_id": ["i"], "source_count": [1], "als_rank": [3]})
    scratch.register("retrieval.candidates", given)
    frame = scratch.frame("retrieval.candidates")
    assert frame["as_of"].to_list() == [instant(6)]
    assert frame.schema["source_count"] == pl.Int32
    assert scratch.query("select als_rank from retrieval.candidates").item() == 3
    with pytest.raises(ContractError, match="item_id"):
        scratch.register("retrieval.candidates", given.drop("item_id"))


def test_a_history_holds_what_was_written_as_of_earlier_instants(
    con: duckdb.DuckDBPyConnection, lake: Lake, models: Models, instant: Instant
) -> None:
    """Whatever is built later, and whether or not the run writes: a rebuild reads the same rows."""
    history = replace(CANDIDATES, name="retrieval.candidates_history", history_of=CANDIDATES.name)

    def read(**options: bool) -> list[tuple[datetime, str]]:
        run = ModelRun(con, lake, models, (history,), as_of=instant(6), known_at=instant(31), **options)
        return run.frame(history.name, ["as_of", "user_id"]).sort("as_of").rows()

    assert read() == []
    for day in (4, 5):
        lake.overwrite_as_of(CANDIDATES.name, _candidate(f"u{day}", instant(day)), instant(day))
    expected = [(instant(4), "u4"), (instant(5), "u5")]
    assert read() == expected
    for later in (instant(6), instant(6, 1)):
        lake.overwrite_as_of(CANDIDATES.name, _candidate("later", later), later)
    assert read() == read(scratch=True) == expected


def _candidate(user: str, as_of: datetime) -> pl.DataFrame:
    return pl.DataFrame({"as_of": [as_of], "user_id": [user], "item_id": ["i"]})


def test_a_column_newer_than_the_files_is_empty(
    run: Callable[..., ModelRun], lake: Lake, events: Events, instant: Instant
) -> None:
    lake.append("raw.events", events(*THREE).drop("region"), partition_by=EVENTS.partition_by)
    assert run(instant(6)).frame("raw.events")["region"].to_list() == [None] * 3
    lake.append("raw.events", events(("d", "u3", 3)).with_columns(region=pl.lit("r")), partition_by=("event_date",))
    assert sorted(run(instant(6)).frame("raw.events")["region"].fill_null("").to_list()) == ["", "", "", "r"]


def test_other_statements_run_while_rows_stream(
    run: Callable[..., ModelRun], lake: Lake, events: Events, instant: Instant
) -> None:
    lake.append("raw.events", events(*THREE), partition_by=EVENTS.partition_by)
    scratch = run(instant(6), scratch=True)
    scratch.require("features.activity")
    reader = scratch.arrow("select n from range(500000) as r(n)")
    first = reader.read_next_batch()
    assert scratch.frame("marts.busiest").height == 1
    assert first.num_rows + sum(batch.num_rows for batch in reader) == 500_000


def test_views_and_scratch_runs_store_nothing(run: Callable[..., ModelRun], instant: Instant) -> None:
    with pytest.raises(UsageError, match="a view"):
        run(instant(6)).materialize("staging.stg_events")
    with pytest.raises(UsageError, match="scratch"):
        run(instant(6), scratch=True).materialize("features.activity")
    with pytest.raises(UsageError, match=r"no\.table"):
        run(instant(6)).require("no.table")


def test_bound_sql_is_what_a_duckdb_shell_runs(run: Callable[..., ModelRun], instant: Instant) -> None:
    assert run(instant(6)).bound("marts.busiest") == (
        "select CAST('2020-01-06 00:00:00+00' AS TIMESTAMPTZ) as as_of, max(event_count) as event_count "
        "from features.activity"
    )


def test_a_connection_and_its_cursors_speak_utc_and_spill_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    ask = "select cast(timestamptz '2020-01-01 00:00:00+00' as varchar), current_setting('temp_directory')"
    one = connect(memory_limit_gb=1, threads=1, temporary=tmp_path / "spill")
    two = connect(memory_limit_gb=1, threads=1, temporary=tmp_path / "spill")
    answers = [con.execute(ask).fetchall()[0] for con in (one, one.cursor(), two)]
    assert {text for text, _ in answers} == {"2020-01-01 00:00:00+00"}
    assert answers[0][1] == answers[1][1] != answers[2][1]
    one.close()
    two.close()
