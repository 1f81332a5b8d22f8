from pathlib import Path

import pytest

from recs_platform.contracts.errors import ModelError, UsageError
from recs_platform.stages.events.sources import SOURCE_TABLES, load_sources

SOURCES = Path(__file__).parents[4] / "dbt_like_sql" / "sources"

YML = "name: {name}\ndescription: d\nfiles:\n  - {{match: 'f.*', columns: {{a: {dtype}}}, tables: [{table}]}}\n"


def written(folder, *, name="shop", dtype="any", table="events", sql=True):
    (folder / "shop").mkdir()
    (folder / "shop" / "source.yml").write_text(YML.format(name=name, dtype=dtype, table=table))
    if sql:
        (folder / "shop" / "events.sql").write_text("select 1;\n")
    return folder


def test_an_unknown_source_is_a_usage_error_that_names_the_known_ones():
    with pytest.raises(UsageError, match=r"no source 'nope'; there are: contract, data_layer, deskdrop, ebnerd"):
        load_sources(SOURCES)["nope"]


def test_every_source_has_one_sql_file_for_each_table_it_feeds():
    for source in load_sources(SOURCES).values():
        fed = {table for kind in source.files for table in kind.tables}
        assert fed == {path.stem for path in source.folder.glob("*.sql")}
        assert fed <= set(SOURCE_TABLES)


@pytest.mark.parametrize("name", ["ratings.csv", "Ratings.CSV.gz", "ratings.csv.zip", "ratings.csv.zst"])
def test_case_and_compression_do_not_matter_to_the_match(name):
    kind = load_sources(SOURCES)["movielens"].file_for(name)
    assert kind is not None
    assert kind.tables == ("events",)


def test_a_name_without_a_known_format_is_not_matched():
    contract = load_sources(SOURCES)["contract"]
    assert contract.file_for("events.txt") is None
    assert contract.file_for("events.ndjson.gz") is not None


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"name": "other"}, "make them the same"),
        ({"table": "nothing"}, "unknown tables"),
        ({"sql": False}, "is missing"),
    ],
)
def test_a_source_that_contradicts_itself_is_refused_by_file(tmp_path, wrong, sentence):
    with pytest.raises(ModelError, match=sentence):
        load_sources(written(tmp_path, **wrong))


def test_a_right_source_loads(tmp_path):
    assert load_sources(written(tmp_path))["shop"].sql == {"events": "select 1"}
