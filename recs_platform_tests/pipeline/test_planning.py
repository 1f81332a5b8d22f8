"""One decision whether an as-of is built: every reason there is is found and named, and nothing else is a reason."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from recs_platform.contracts.errors import NotReady, UsageError
from recs_platform.contracts.setting_groups import RoleSettings
from recs_platform.pipeline import plans
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.build_records import ASSETS, last_build, raw_versions, record_build
from recs_platform.pipeline.event_span import midnight_after
from recs_platform.pipeline.plans import BuildPlan, plan_build, planned_as_of
from recs_platform.pipeline.platform import Platform, sql_folder
from recs_platform.stages.events import FileCounts
from recs_platform_tests.homes import Built, copy_home, land_contract, platform_at, take_in

CLICK = {"user_id": "u1", "item_id": "i1", "event_type": "click", "occurred_at": "2024-01-15T00:00:00Z"}
DAY = timedelta(days=1)


@pytest.fixture
def home(built: Built, tmp_path: Path) -> Platform:
    """A copy of the built home."""
    return copy_home(built.platform, tmp_path / "home")


def _plan(platform: Platform, at: datetime, arriving: Any = None) -> BuildPlan:
    return plan_build(platform, at, datetime.now(UTC), arriving)


def _dry_run(*counts: FileCounts, **spans: tuple[datetime, datetime]) -> Any:
    """The report of a dry run: what the files will bring, and when their events happened."""
    return SimpleNamespace(files=counts, event_spans=spans)


def test_what_was_just_built_is_up_to_date(built: Built) -> None:
    plan = _plan(built.platform, built.as_of)
    record = last_build(built.platform, built.as_of)
    assert record is not None
    assert not plan.runs
    assert plan.reasons == ()
    assert plan.release == record.inputs["release"]
    assert str(plan.release) in plan.verdict


def test_an_as_of_never_built_is_built_from_all_its_files(taken_in: Platform, built: Built) -> None:
    plan = _plan(taken_in, built.as_of)
    assert plan.reasons == ("first build as of 2024-01-31",)
    assert plan.release is None
    books = pl.read_parquet(taken_in.lake.files("raw.ingestions"))
    assert sum(row.rows for row in plan.new_rows) == books["rows_accepted"].sum()


def test_the_same_from_another_home_has_the_same_key(taken_in: Platform, tmp_path: Path, built: Built) -> None:
    other = copy_home(taken_in, tmp_path / "other")
    assert _plan(other, built.as_of).key == _plan(taken_in, built.as_of).key


def test_new_rows_are_a_reason_and_are_told_by_file(home: Platform, built: Built) -> None:
    land_contract(home, "events.jsonl", [CLICK, {**CLICK, "item_id": "i2"}])
    take_in(home)
    plan = _plan(home, built.as_of)
    assert plan.reasons == ("new rows: +2 events of contract/events.jsonl",)
    assert [(row.source_file, row.contract_table, row.rows) for row in plan.new_rows] == [
        ("contract/events.jsonl", "events", 2)
    ]


def test_rows_that_come_later_than_the_as_of_are_no_reason(home: Platform, built: Built) -> None:
    land_contract(home, "events.jsonl", [{**CLICK, "occurred_at": (built.as_of + DAY).isoformat()}])
    take_in(home)
    assert not _plan(home, built.as_of).runs
    assert _plan(home, built.as_of + 2 * DAY).reasons == ("first build as of 2024-02-02",)


def test_rows_that_are_refused_or_known_already_are_no_reason(home: Platform, built: Built) -> None:
    land_contract(home, "events.jsonl", [{**CLICK, "occurred_at": "never"}])
    take_in(home)
    assert not _plan(home, built.as_of).runs


def test_what_is_about_to_arrive_is_planned_as_it_will_be_once_it_is_there(home: Platform, built: Built) -> None:
    land_contract(home, "events.jsonl", [CLICK])
    file_hash = _hash_of(home, "events.jsonl")
    arriving = FileCounts("contract", "contract/events.jsonl", file_hash, "events", rows_accepted=1)
    early, late = built.as_of - DAY, built.as_of + DAY
    planned = _plan(home, built.as_of, _dry_run(arriving, **{file_hash: (early, early)}))
    assert planned.reasons == ("new rows: +1 events of contract/events.jsonl",)
    assert not _plan(home, built.as_of, _dry_run(arriving, **{file_hash: (late, late)})).runs
    take_in(home)
    assert _plan(home, built.as_of) == planned


def _hash_of(platform: Platform, name: str) -> str:
    from recs_platform.stages.events import pending

    (file,) = pending(platform.home, platform.sources, platform.lake)
    assert file.path.name == name
    return file.file_hash


def test_the_as_of_follows_the_last_event_that_will_be_there(taken_in: Platform, built: Built, tmp_path: Path) -> None:
    noon, now = built.as_of + timedelta(hours=12), datetime.now(UTC)
    assert planned_as_of(taken_in, _dry_run(), now) == built.as_of
    assert planned_as_of(taken_in, _dry_run(x=(noon - 9 * DAY, noon - 5 * DAY)), now) == built.as_of
    assert planned_as_of(taken_in, _dry_run(x=(noon - 9 * DAY, noon)), now) == built.as_of + DAY
    empty = platform_at(tmp_path / "empty")
    assert planned_as_of(empty, _dry_run(x=(noon, noon)), now) == built.as_of + DAY
    assert planned_as_of(taken_in, _dry_run(x=(noon, now + 9 * DAY)), now) == built.as_of
    assert planned_as_of(empty, _dry_run(x=(now + DAY, now + 9 * DAY)), now) == midnight_after(now)
    with pytest.raises(NotReady, match="no event"):
        planned_as_of(empty, _dry_run(), now)


def test_settings_that_decide_the_lists_are_a_reason_and_others_are_none(built: Built) -> None:
    root = built.platform.home.root
    assert _plan(platform_at(root, k=12), built.as_of).reasons == ("settings changed: k 10 → 12",)
    nested = _plan(platform_at(root, publish={"as_ofs_max": 3}), built.as_of)
    assert nested.reasons == ("settings changed: publish.as_ofs_max 30 → 3",)
    assert not _plan(platform_at(root, threads=2, memory_limit_gb=1.0, schedule_hour=5), built.as_of).runs


def test_a_changed_model_is_a_reason_that_names_where_it_began(built: Built, tmp_path: Path) -> None:
    sql = tmp_path / "sql"
    shutil.copytree(sql_folder(), sql)
    model = sql / "models" / "marts" / "item_performance.sql"
    model.write_text(model.read_text().replace("select\n", "select distinct\n", 1))
    plan = _plan(Platform(built.platform.settings, sql), built.as_of)
    assert plan.reasons == ("SQL models changed: marts.item_performance",)
    assert plan.changed_models == ("marts.item_performance",)


def test_changed_code_is_a_reason(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recs_platform.__version__", "9.9.9")
    (reason,) = _plan(built.platform, built.as_of).reasons
    assert reason.startswith("code changed: recs_platform 0.1.0+")
    assert "9.9.9+" in reason


def test_what_is_gone_is_made_again(home: Platform, built: Built) -> None:
    home.home.analytics.unlink()
    assert _plan(home, built.as_of).reasons == ("analytics.duckdb is missing",)
    release = _plan(home, built.as_of).release
    shutil.rmtree(home.home.artifacts / "releases" / str(release))
    assert f"its release {release} is missing" in _plan(home, built.as_of).reasons


def test_rows_that_came_while_a_build_went_on_are_new_to_the_next(home: Platform, built: Built) -> None:
    before = raw_versions(home)
    land_contract(home, "events.jsonl", [CLICK])
    take_in(home)
    now = datetime.now(UTC)
    release = str(_plan(home, built.as_of).release)
    run = AsOfRun(home, built.as_of, now, raw_versions=before)
    record_build(run, assets=(), release=release, sealed_at=now, run_id="r")
    assert _plan(home, built.as_of).reasons == ("new rows: +1 events of contract/events.jsonl",)
    record_build(
        AsOfRun(home, built.as_of, now, raw_versions=raw_versions(home)),
        assets=(),
        release=release,
        sealed_at=now + DAY,
        run_id="s",
    )
    assert not _plan(home, built.as_of).runs


def test_an_as_of_before_the_first_event_cannot_be_planned(taken_in: Platform) -> None:
    with pytest.raises(NotReady, match="no event before 1990-01-01"):
        _plan(taken_in, datetime(1990, 1, 1, tzinfo=UTC))


def test_rows_that_change_nothing_of_what_a_build_reads_are_no_reason(home: Platform, built: Built) -> None:
    items = pl.read_parquet(home.lake.files("raw.items"))["item_id"].sort().to_list()
    land_contract(home, "items.jsonl", [{"item_id": items[0], "title": "told after the as-of"}])
    land_contract(home, "item_tags.jsonl", [{"item_id": items[0], "tag": "late"}])
    land_contract(home, "consents.jsonl", [
        {"user_id": "stranger", "purpose": "newsletter", "granted": False, "occurred_at": "2024-01-15"}
    ])  # fmt: skip
    take_in(home)
    assert not _plan(home, built.as_of).runs


def test_a_withdrawal_is_a_reason_whatever_the_as_of(home: Platform, built: Built) -> None:
    (item,) = pl.read_parquet(home.lake.files("raw.items"))["item_id"].sort().head(1).to_list()
    land_contract(home, "items.jsonl", [{"item_id": item, "available_until": datetime.now(UTC).isoformat()}])
    take_in(home)
    assert _plan(home, built.as_of).reasons == ("new rows: +1 items of contract/items.jsonl",)


def test_a_rule_of_the_home_is_a_reason(home: Platform, built: Built) -> None:
    home.home.rules.mkdir()
    (home.home.rules / "mine.py").write_text("RULE = None\n")
    (reason,) = _plan(home, built.as_of).reasons
    assert reason.startswith("code changed: ")


def test_what_was_made_apart_is_told_before_the_first_whole_build_too(
    home: Platform, built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart = SimpleNamespace(parameters={ASSETS: ["reports.bias"]})
    monkeypatch.setattr(plans, "partial_builds", lambda *_: [apart])
    plan = _plan(home, built.as_of + 2 * DAY)
    assert (plan.reasons, plan.built_since) == (("first whole build as of 2024-02-02",), ("reports.bias",))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"retrieval": {"vectors": "nowhere.parquet"}}, r"retrieval\.vectors: there is no file .*nowhere\.parquet"),
        ({"roles": {"analyst": RoleSettings(hide=("raw.userz",))}}, r"roles\.analyst\.hide names 'raw\.userz'"),
        ({"roles": {"analyst": RoleSettings(hide=("raw.users", "gendre"))}}, r"names 'gendre'.*gender"),
    ],
)
def test_nothing_is_built_while_the_settings_name_what_is_not_there(
    taken_in: Platform, tmp_path: Path, built: Built, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        _plan(copy_home(taken_in, tmp_path / "home", **settings), built.as_of)
