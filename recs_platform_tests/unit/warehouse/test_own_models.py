"""Models of one's own: added when they are right, named and left out when not, never in the way of the others."""

from pathlib import Path

import pytest

from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.tables import EVENTS
from recs_platform.warehouse.models import Models, load_models
from recs_platform.warehouse.own_models import with_own_models
from recs_platform_tests.unit.warehouse.conftest import yml

COUNT = "select $as_of as as_of, user_id, count(*) as n,\nfrom raw.events where occurred_at < $as_of group by user_id"
COLUMNS = {"as_of": "timestamptz", "user_id": "varchar", "n": "bigint"}


@pytest.fixture
def packaged(activity: None, folder: Path) -> Models:
    return load_models(folder, (EVENTS,))


def write(home: Path, name: str, sql: str = COUNT, columns: dict[str, str] | None = None) -> None:
    schema, table = name.split(".")
    (home / schema).mkdir(parents=True, exist_ok=True)
    (home / schema / f"{table}.sql").write_text(sql)
    (home / schema / f"{table}.yml").write_text(yml(table, columns or COLUMNS, grain="user_id"))


def test_a_right_one_is_a_model_like_any_other_whatever_the_order_of_names(packaged: Models, tmp_path: Path) -> None:
    write(tmp_path / "own", "features.mine")
    write(tmp_path / "own", "features.above", "select as_of, user_id, n + 1 as n,\nfrom features.mine")
    models = with_own_models(packaged, tmp_path / "own")
    assert [model.name for model in models.of("features")][-2:] == ["features.mine", "features.above"]
    assert models.upstreams("features.above") == ("raw.events", "features.mine")
    assert models.is_as_of("features.above")
    assert not models.broken


@pytest.mark.parametrize(
    ("name", "sql", "columns", "said"),
    [
        ("features.odd", "selec 1", COLUMNS, "odd.sql"),
        (
            "features.odd",
            COUNT.replace("user_id, count", "usr_id as user_id, count"),
            COLUMNS,
            "odd.sql:1: Binder Error",
        ),
        ("features.odd", COUNT, {**COLUMNS, "m": "bigint"}, "odd.yml"),
        ("features.odd", COUNT, {**COLUMNS, "n": "varchar"}, "disagree"),
        ("features.odd", COUNT.replace("raw.events", "raw.evnts"), COLUMNS, "did you mean 'raw.events'"),
        ("features.odd", "select as_of, user_id, n,\nfrom features.odd", COLUMNS, "reads itself"),
        ("features.activity", COUNT, COLUMNS, "already; rename"),
        ("odd.table", COUNT, COLUMNS, "lies in"),
    ],
)
def test_a_wrong_one_is_left_out_with_its_fault_and_the_others_stay(
    packaged: Models, tmp_path: Path, name: str, sql: str, columns: dict[str, str], said: str
) -> None:
    own = tmp_path / "own"
    write(own, "marts.right")
    write(own, name, sql, columns)
    models = with_own_models(packaged, own)
    assert said in models.broken[name]
    assert "marts.right" in models
    assert set(packaged.by_name) <= set(models.by_name)


def test_what_reads_a_broken_one_is_left_out_too(packaged: Models, tmp_path: Path) -> None:
    write(tmp_path / "own", "features.odd", "selec 1")
    write(tmp_path / "own", "marts.above", "select as_of, user_id, n,\nfrom features.odd")
    models = with_own_models(packaged, tmp_path / "own")
    assert set(models.broken) == {"features.odd", "marts.above"}
    with pytest.raises(UsageError, match=r"is left out: .*odd\.sql"):
        models.get("features.odd")
