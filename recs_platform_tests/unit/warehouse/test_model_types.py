"""A type that the SQL does not give is refused by both files' names, and every model of ours has the types it says."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from recs_platform.contracts.errors import ModelError
from recs_platform.contracts.tables import EVENTS
from recs_platform.warehouse.model_types import check_types
from recs_platform.warehouse.models import load_models

WriteModel = Callable[..., None]


@pytest.mark.parametrize(
    ("sql", "dtype", "reason"),
    [
        (
            "select user_id as n from raw.events",
            "bigint",
            r"a\.yml and .*a\.sql disagree: n is VARCHAR, declared BIGINT",
        ),
        ("select value as n from raw.events", "bigint", "n is DOUBLE, declared BIGINT"),
        ("select [1] as n", "bigint", r"n is INTEGER\[\], declared BIGINT"),
        ("select event_date as n from raw.events", "timestamptz", "n is DATE"),
        ("select nobody as n from raw.events", "varchar", r"a\.sql:1: .*nobody"),
    ],
)
def test_a_type_that_the_sql_does_not_give_is_refused(
    folder: Path, write_model: WriteModel, con: duckdb.DuckDBPyConnection, *, sql: str, dtype: str, reason: str
) -> None:
    write_model("marts.a", sql, {"n": dtype})
    models = load_models(folder, (EVENTS,))
    with pytest.raises(ModelError, match=reason):
        check_types(con, models, models)


@pytest.mark.usefixtures("activity")
def test_casts_that_keep_the_meaning_are_the_runners(folder: Path, con: duckdb.DuckDBPyConnection) -> None:
    models = load_models(folder, (EVENTS,))
    check_types(con, models, models)
