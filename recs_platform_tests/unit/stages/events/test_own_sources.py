"""Sources of one's own: beside those of the package, left out by name when they are wrong, never in their way."""

from datetime import UTC, datetime

import pytest

from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.home import Home
from recs_platform.lake.tables import Lake
from recs_platform.stages.events import ingest, load_sources, look_into_landing, source_fault
from recs_platform_tests.connections import shared_connection

YML = """name: {name}
description: d
files:
  - match: 'orders.*'
    delimiter: ';'
    columns: {{who: varchar, what: varchar, day: varchar}}
    tables: [events]
"""
SQL = "select line_number, who as user_id, what as item_id, 'view' as event_type, day as occurred_at from raw_records"


def source(home, name="shop", yml=YML, sql=SQL):
    folder = home.sources / name
    folder.mkdir(parents=True)
    (folder / "source.yml").write_text(yml.format(name=name))
    (folder / "events.sql").write_text(sql)
    return home


def put(home, name, text):
    path = home.landing / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def loaded(home, packaged=None):
    return load_sources(packaged or home.root / "none", home.sources, source_fault)


def rows(home):
    import polars as pl

    return sorted(
        pl.read_parquet(Lake(home.lake).files("raw.events")).select("user_id", "item_id", "occurred_at").rows()
    )


def take_in(home, sources):
    said = []
    now = datetime(2024, 6, 1, tzinfo=UTC)
    report = ingest(home, Lake(home.lake), sources, shared_connection(), now=now, progress=said.append)
    return report, said


def test_a_declared_delimiter_and_a_partition_key_of_the_path_are_read(tmp_path):
    home = source(Home(tmp_path))
    put(home, "shop/orders/day=2024-02-03/part-0.txt", 'who;what\nu1;"a;b"\nu2;"x\ny"\n')
    put(home, "shop/orders.tsv", "who\twhat\tday\nu3\ti3\t2024-02-04\n".replace("\t", ";"))
    take_in(home, loaded(home))
    assert [(user, item, at.day) for user, item, at in rows(home)] == [
        ("u1", "a;b", 3),
        ("u2", "x\ny", 3),
        ("u3", "i3", 4),
    ]


@pytest.mark.parametrize(
    ("yml", "sql", "said"),
    [
        (
            YML.replace("description", "descripton"),
            SQL,
            "source.yml:2: descripton is no such field; did you mean 'desc",
        ),
        (
            YML.replace("columns:", "colums:"),
            SQL,
            "source.yml:6: files.0.colums is no such field; did you mean 'columns'",
        ),
        (YML, "select line_number,\n  whom as user_id\nfrom raw_records", "events.sql:2: Binder Error"),
        (YML, "select line_number,\n  who as user\nfrom raw_records", "events.sql must give"),
        (YML, "selec 1", "events.sql:1: Parser Error"),
        ("a: [", SQL, "not yaml"),
    ],
)
def test_a_broken_one_is_named_with_its_line_and_its_files_wait(tmp_path, yml, sql, said):
    home = source(source(Home(tmp_path)), "broken", yml, sql)
    put(home, "shop/orders.csv", "who;what;day\nu1;i1;2024-02-04\n")
    put(home, "broken/orders.csv", "who;what;day\nu1;i1;2024-02-04\n")
    sources = loaded(home)
    assert said in sources.broken["broken"]
    report, _ = take_in(home, sources)
    assert [name for name, _ in report.rejected] == ["broken/orders.csv"]
    assert said in report.rejected[0][1]
    assert len(rows(home)) == 1
    with pytest.raises(UsageError, match="left out"):
        sources["broken"]


def test_a_name_of_the_package_is_refused_and_its_source_stays(tmp_path):
    packaged = source(Home(tmp_path / "package")).sources
    home = source(Home(tmp_path / "home"), sql=SQL.replace("'view'", "'like'"))
    sources = loaded(home, packaged)
    assert "rename the folder" in sources.broken["shop"]
    assert "'view'" in sources["shop"].sql["events"]


def test_an_unknown_source_is_told_the_nearest(tmp_path):
    with pytest.raises(UsageError, match="did you mean 'shop'"):
        loaded(source(Home(tmp_path)))["Shopp"]


def test_landed_files_that_nobody_reads_are_told_why(tmp_path):
    home = source(Home(tmp_path))
    put(home, "shop/stock.csv", "x\n")
    put(home, "shopp/orders.csv", "x\n")
    put(home, "shop/_SUCCESS", "")
    _, said = take_in(home, loaded(home))
    told = "\n".join(said)
    assert "shop/stock.csv is left where it is: source 'shop' reads orders.*" in told
    assert "there is no source 'shopp'; did you mean 'shop'?" in told
    assert "1 marker" in told
    assert look_into_landing(home, loaded(home)).files == ()
