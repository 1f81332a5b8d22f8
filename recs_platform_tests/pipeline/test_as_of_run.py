"""What a run shares is made once, is what the tables hold, and leaves nothing behind."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from recs_platform.defs.sql_assets import share_views
from recs_platform.pipeline.as_of_run import CONSUMED, INTERACTIONS, ITEMS, KNOWN_EVENTS, USERS, AsOfRun, Memo
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.report_inputs import RunInputs
from recs_platform_tests.homes import copy_home
from recs_platform_tests.worlds import TINY

AT = TINY.start + timedelta(days=20)


@pytest.fixture
def run(taken_in: Platform, tmp_path: Path) -> AsOfRun:
    return AsOfRun(copy_home(taken_in, tmp_path / "home"), AT, datetime.now(UTC))


def test_a_value_is_made_once_however_many_threads_ask_for_it() -> None:
    memo, made, start = Memo(), list[int](), threading.Barrier(4)

    def ask(_: int) -> list[int]:
        start.wait()
        return memo.once("x", lambda: made.append(1) or made)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(ask, range(4)))
    assert made == [1]
    assert all(each is made for each in found)


def test_one_value_may_ask_for_another_and_a_failure_is_not_kept() -> None:
    memo = Memo()
    assert memo.once("outer", lambda: memo.once("inner", lambda: 1) + 1) == 2
    with pytest.raises(ZeroDivisionError):
        memo.once("x", lambda: 1 // 0)
    assert memo.once("x", lambda: 3) == 3


@pytest.mark.parametrize("table", [INTERACTIONS, USERS, ITEMS, CONSUMED])
def test_a_shared_table_holds_what_its_view_over_the_lake_holds(run: AsOfRun, table: str) -> None:
    with run.platform.model_run(run.as_of, run.known_at, scratch=True) as models:
        expected = models.frame(table)
    keys = [name for name, dtype in expected.schema.items() if not dtype.is_nested()]
    assert expected.height
    assert run.frame(table).sort(keys).equals(expected.sort(keys))
    assert run.frame(table).sort(keys).equals(expected.sort(keys)), "the second time it is read from the file"


def test_another_instant_is_another_run_with_the_same_knowledge(run: AsOfRun) -> None:
    earlier = run.at(AT - timedelta(days=5))
    assert earlier is run.at(AT - timedelta(days=5))
    assert run.at(AT) is run
    assert earlier.files is run.files
    assert earlier.interactions.height < run.interactions.height
    assert earlier.data_version() != run.data_version()


def test_work_beside_other_work_takes_fewer_threads_and_shares_what_is_known(run: AsOfRun) -> None:
    run.platform.models  # noqa: B018  read before
    alone = run.on_threads(2)
    assert alone.platform.settings.threads == 2
    assert run.platform.settings.threads == 1
    assert alone.platform.models is run.platform.models
    assert (alone.known, alone.root, alone.as_of) == (run.known, run.root, run.as_of)
    then = alone.at(run.as_of - timedelta(days=3))
    assert then.platform.settings.threads == 2
    assert then is alone.at(then.as_of)
    assert then is not run.at(then.as_of)
    assert run.on_threads(1) is run
    files = [each.once(f"file of {INTERACTIONS}", str) for each in (run, alone) if each.interactions.height]
    assert len(set(files)) == 2, "neither writes into the file of the other"


def test_the_log_is_read_once_for_all_instants(run: AsOfRun) -> None:
    assert run.interactions.height
    run.platform.home.lake.rename(run.platform.home.lake.with_suffix(".aside"))
    earlier = run.at(AT - timedelta(days=5))
    with earlier.models(scratch=True) as models:
        assert 0 < models.count(KNOWN_EVENTS) > earlier.interactions.height > 0


def test_a_question_that_reads_once_writes_no_file_of_the_log(run: AsOfRun) -> None:
    question = AsOfRun(run.platform, run.as_of, run.known_at, keeps_events=False)
    with question.at(AT - timedelta(days=5)).models(scratch=True) as models:
        assert models.count(KNOWN_EVENTS)
    assert list(run.platform.home.temporary.glob("frames-*")) == []


def test_closing_leaves_no_file_and_frames_that_were_read_stay_usable(run: AsOfRun) -> None:
    temporary = run.platform.home.temporary
    (temporary / "frames-999999-of-a-dead-process").mkdir(parents=True)
    run.close()
    assert [path.name for path in temporary.glob("frames-*")] == ["frames-999999-of-a-dead-process"], "nothing was kept"
    read = run.at(AT - timedelta(days=1)).interactions
    assert len(list(temporary.glob("frames-*"))) == 1
    run.close()
    assert list(temporary.glob("frames-*")) == []
    assert read["weight"].sum() > 0


def test_what_a_report_read_of_a_shared_view_a_mart_is_made_of(run: AsOfRun) -> None:
    """Without the events the mart can only be made of what the report had computed."""
    mart = "marts.segment_click_rates"
    model = run.platform.models.get(mart)
    with run.models() as models:
        models.register("segments.user_segments", pl.DataFrame({"user_id": ["nobody"]}))
        for upstream in model.upstreams:
            models.require(upstream)
        expected = models.query(f"from ({models.bound(mart)})")
    assert RunInputs(run).weekly_outcomes.height
    with run.models() as models:
        models.register("segments.user_segments", pl.DataFrame({"user_id": ["nobody"]}))
        models.register(KNOWN_EVENTS, pl.DataFrame(schema={"event_id": pl.String}))
        share_views(run, model, models)
        found = models.query(f"from ({models.bound(mart)})")
    assert found.height
    assert found.sort("weeks_ago").equals(expected.sort("weeks_ago"))
