"""Lists of a home that explores and holds users out: the others' first places stay, and every row tells the truth."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import LIST_REFERENCES, LISTS, SHARED_LISTS, SHORT_LISTS
from recs_platform.lake.artifacts import artifact
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.lists.lists import Lists, make_lists
from recs_platform.pipeline.partition_writer import write_frames
from recs_platform.pipeline.releases import release_lists
from recs_platform.stages.releases import RELEASES_ARTIFACT, read_release
from recs_platform.stages.releases.files import LISTS_FILE
from recs_platform_tests.homes import Built, copy_home

SLOTS = 3
EXPLORATION = {"slots": SLOTS, "policy": "thompson", "new_item_boost": 2.0, "holdout_share": 0.2}


@pytest.fixture(scope="module")
def run(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AsOfRun]:
    home = tmp_path_factory.mktemp("exploring") / "home"
    run = AsOfRun(copy_home(built.platform, home, exploration=EXPLORATION), built.as_of, built.known_at)
    yield run
    run.close()


@pytest.fixture(scope="module")
def made(run: AsOfRun) -> Lists:
    return make_lists(run)


@pytest.fixture(scope="module")
def plain(built: Built) -> pl.DataFrame:
    with built.platform.model_run(built.as_of, built.known_at) as models:
        return models.frame(LISTS.name).sort(c.USER_ID, c.RANK)


def test_nothing_is_drawn_where_nothing_is_set(plain: pl.DataFrame):
    assert set(plain[c.PROPENSITY]) == {1.0}
    assert set(plain[c.PROPENSITY_METHOD]) == {"exact"}
    assert not plain[c.IS_HOLDOUT].any()


def test_the_places_before_the_slots_stay_and_the_slots_vary(made: Lists, plain: pl.DataFrame, run: AsOfRun):
    k = run.platform.settings.k
    assert all(rows.is_empty() for rows in made.violations.values())
    assert made.lists.group_by(c.USER_ID).len().sort(c.USER_ID).equals(plain.group_by(c.USER_ID).len().sort(c.USER_ID))
    explored = made.lists.filter(~pl.col(c.IS_HOLDOUT))
    row, first = [c.USER_ID, c.RANK, c.ITEM_ID, c.REASON], pl.col(c.RANK) <= k - SLOTS
    before = plain.join(explored, on=c.USER_ID, how="semi")
    assert explored.filter(first).select(row).equals(before.filter(first).select(row))
    drawn = explored.filter(pl.col(c.PROPENSITY) < 1)
    assert drawn.height > explored[c.USER_ID].n_unique()
    assert drawn[c.RANK].min() == k - SLOTS + 1
    assert set(drawn[c.PROPENSITY_METHOD]) == {"simulated"}
    assert not explored.select(row).equals(before.select(row))


def test_the_hold_out_is_shown_popular_items_and_told_so(made: Lists, run: AsOfRun):
    held = made.lists.filter(c.IS_HOLDOUT)
    users = held[c.USER_ID].n_unique()
    assert 0.1 < users / made.lists[c.USER_ID].n_unique() < 0.3
    assert set(held[c.PROPENSITY]) == {1.0}
    assert set(held[c.SOURCES].explode()) == {"fallback"}
    assert held[c.REASON].str.contains("comparison group").all()
    assert not held[c.REASON].str.contains("you").any()
    assert not made.lists.filter(~pl.col(c.IS_HOLDOUT))[c.REASON].str.contains("comparison group").any()
    again = make_lists(run)
    assert again.lists.equals(made.lists)


def test_a_release_keeps_what_was_drawn_and_an_older_one_is_read_as_it_was_meant(made: Lists, run: AsOfRun):
    for contract, rows in (
        (LISTS, made.lists), (SHORT_LISTS, made.short_lists), (SHARED_LISTS, made.shared),
        (LIST_REFERENCES, made.references),
    ):  # fmt: skip
        write_frames(
            run.platform, contract, [rows.select([n for n in contract.column_names if n != c.AS_OF])], run.as_of
        )
    home = run.platform.home
    release = release_lists(run, sealed_at=datetime.now(UTC)).version
    row = [c.USER_ID, c.RANK, c.ITEM_ID, c.PROPENSITY, c.PROPENSITY_METHOD, c.IS_HOLDOUT]
    assert read_release(home, release).select(row).equals(made.lists.select(row))
    _make_old(artifact(home.artifacts, RELEASES_ARTIFACT, release) / LISTS_FILE)
    old = read_release(home, release)
    assert set(old[c.PROPENSITY_METHOD]) == {"exact"}
    assert not old[c.IS_HOLDOUT].any()


def _make_old(file: Path) -> None:
    rows = pl.read_parquet(file).drop(c.PROPENSITY_METHOD, c.IS_HOLDOUT)
    file.unlink()
    rows.write_parquet(file)
