"""Features of some users, computed of their events alone, are those that are computed of everybody's."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from recs_platform.pipeline.as_of_run import USERS, AsOfRun
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.user_features import OF_THEIR_USER, keep_features, register_features
from recs_platform.warehouse.runner import ModelRun
from recs_platform_tests.homes import copy_home
from recs_platform_tests.worlds import TINY

ITEM_FEATURES = "features.item_features"
OWN = "features.everyones_rank"


def _run(platform: Platform, day: int) -> AsOfRun:
    return AsOfRun(platform, TINY.start + timedelta(days=day), datetime.now(UTC))


@pytest.mark.parametrize(("day", "seed", "n"), [(6, 1, 9), (20, 2, 7), (20, 3, 25), (30, 4, 12)])
def test_they_are_those_of_all_users(taken_in: Platform, day: int, seed: int, n: int) -> None:
    run = _run(taken_in, day)
    with run.models(scratch=True) as models:
        users = models.frame(USERS, ["user_id"]).sort("user_id").sample(n, seed=seed)
        whole = {table: models.frame(table, ordered=True) for table in OF_THEIR_USER}
    with run.models(scratch=True) as models:
        register_features(models, run, users)
        for table, rows in whole.items():
            theirs = rows.join(users, on="user_id", how="semi", maintain_order="left")
            assert 0 < theirs.height < rows.height
            assert models.frame(table, ordered=True).equals(theirs), table
    run.close()


def test_what_was_kept_of_an_instant_is_read_in_the_place_of_the_log(
    taken_in: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _run(taken_in, 20)
    with run.models(scratch=True) as models:
        users = models.frame(USERS, ["user_id"]).sort("user_id").sample(7, seed=2)
        items = models.frame(ITEM_FEATURES, ordered=True)
        register_features(models, run, users)
        expected = [models.frame(table, ordered=True) for table in OF_THEIR_USER]
        keep_features(models, run)
    required = list[str]()
    require = ModelRun.require

    def watched(self: ModelRun, name: str) -> str:
        required.append(name)
        return require(self, name)

    monkeypatch.setattr(ModelRun, "require", watched)
    with run.at(run.as_of).models(scratch=True, as_kept=True) as models:
        register_features(models, run, users)
        assert models.frame(ITEM_FEATURES, ordered=True).equals(items)
        theirs = [models.frame(table, ordered=True) for table in OF_THEIR_USER]
    assert all(found.equals(rows) for found, rows in zip(theirs, expected, strict=True))
    assert "staging.stg_item_activity" not in required
    with run.at(run.as_of - timedelta(days=1)).models(scratch=True, as_kept=True) as models:
        assert not models.frame(ITEM_FEATURES, ordered=True).equals(items)
    run.close()


def test_what_is_kept_again_is_written_beside_what_is_read(taken_in: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of one cutoff are built side by side."""
    run, files = _run(taken_in, 20), list[Path]()
    monkeypatch.setattr(ModelRun, "save", lambda _, _name, file: files.append(file))
    with run.models(scratch=True) as models:
        run.keep(models, [ITEM_FEATURES])
        run.keep(models, [ITEM_FEATURES])
    assert len(set(files)) == 2
    run.close()


def test_nothing_is_left_out_where_a_model_of_the_home_reads_everybodys(taken_in: Platform, tmp_path: Path) -> None:
    home = copy_home(taken_in, tmp_path / "home").home
    folder = home.models / "features"
    folder.mkdir(parents=True)
    (folder / "everyones_rank.sql").write_text(
        "select\n    $as_of as as_of,\n    user_id,\n"
        "    percent_rank() over (order by session_count) as session_rank,\nfrom features.user_features\n"
    )
    (folder / "everyones_rank.yml").write_text(
        "models:\n  - name: everyones_rank\n    description: Rank by sessions\n"
        "    config: {materialized: table}\n    meta: {grain: [user_id]}\n    columns:\n"
        "      - {name: as_of, data_type: timestamptz, description: As of}\n"
        "      - {name: user_id, data_type: varchar, description: User}\n"
        "      - name: session_rank\n        data_type: double\n        description: Rank\n"
        "        meta: {unit: fraction 0-1, feature: true, scope: user, missing: constant}\n"
        "        data_tests: [not_null, {accepted_range: {min_value: 0, max_value: 1}}]\n"
    )
    platform = Platform(taken_in.settings.model_copy(update={"home": home.root}), taken_in.sql)
    assert platform.models.get(OWN)
    run = _run(platform, 20)
    with run.models(scratch=True) as models:
        expected = models.frame(OWN, ordered=True)
    with run.models(scratch=True) as models:
        register_features(models, run, pl.DataFrame({"user_id": expected["user_id"].head(2)}))
        assert models.frame(OWN, ordered=True).equals(expected)
    run.close()
