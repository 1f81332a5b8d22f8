import gzip
import io
import os
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.home import Home
from recs_platform.stages.events import land, load_sources
from recs_platform.stages.events.profiling.fit_check import misfit

SOURCES = load_sources(Path(__file__).parents[4] / "dbt_like_sql" / "sources")
CONTRACT = SOURCES["contract"]
ROWS = "user_id,item_id,event_type,occurred_at\nu1,i1,view,2024-01-01\n"


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


def write(folder, **files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def landed(home):
    return sorted(path.relative_to(home.landing).as_posix() for path in home.landing.rglob("*") if path.is_file())


def test_parts_in_folders_land_and_the_rest_is_left_out_by_name(home, tmp_path):
    mine = write(
        tmp_path / "mine",
        **{
            "events-00.csv": ROWS,
            "events_2024-02-01.csv.gz": gzip.compress(ROWS.encode() + b"u2,i2,view,2024-01-01\n"),
            "events/date=2024-02-01/part-0.csv": ROWS + "u3,i3,view,2024-01-01\n",
            "events/_SUCCESS": "",
            "events/.part-0.csv.crc": "x",
            ".DS_Store": "x",
            "items.csv": "",
            "notes.docx": "x",
            "old.tar": "x",
            "users.csv.part": "user_id\n",
        },
    )
    report = land(home, CONTRACT, mine, dry_run=False)
    assert landed(home) == [
        "contract/events-00.csv",
        "contract/events/date=2024-02-01/part-0.csv",
        "contract/events_2024-02-01.csv.gz",
    ]
    reasons = dict(report.ignored)
    assert set(reasons) == {"items.csv", "notes.docx", "old.tar", "users.csv.part"}
    assert reasons["items.csv"] == "it is empty"
    assert "events.*" in reasons["notes.docx"]
    assert "unpack it" in reasons["old.tar"]
    assert "still being written" in reasons["users.csv.part"]
    assert report.markers == (".DS_Store", "events/.part-0.csv.crc", "events/_SUCCESS")


def test_a_folder_that_is_named_after_the_table_may_be_given_itself(home, tmp_path):
    folder = write(tmp_path / "events" / "date=2024-02-01", **{"part-0.csv": ROWS})
    land(home, CONTRACT, folder, dry_run=False)
    assert landed(home) == ["contract/events/date=2024-02-01/part-0.csv"]


def test_a_zip_of_several_is_taken_apart(home, tmp_path):
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("events-0.csv", ROWS)
        archive.writestr("deep/items.jsonl", '{"item_id": "i1"}\n')
        archive.writestr("__MACOSX/._events-0.csv", "x")
        archive.writestr("../users.csv", "user_id\nu1\n")
        archive.writestr("readme.md", "x")
    report = land(home, CONTRACT, path, dry_run=False)
    assert landed(home) == ["contract/export/deep/items.jsonl", "contract/export/events-0.csv"]
    assert dict(report.ignored)["export/../users.csv"] == "its name leads out of the zip"
    assert not (tmp_path / "home" / "landing" / "users.csv").exists()
    assert land(home, CONTRACT, path, dry_run=False).copied == ()


def test_a_zip_of_parts_lies_below_its_name(home, tmp_path):
    path = tmp_path / "events.csv.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("1.csv", ROWS)
        archive.writestr("2.csv", ROWS + "u2,i2,view,2024-01-01\n")
    land(home, CONTRACT, path, dry_run=False)
    assert landed(home) == ["contract/events/1.csv", "contract/events/2.csv"]


def test_where_nothing_fits_every_reason_is_told_and_what_to_do(home, tmp_path):
    mine = write(tmp_path / "mine", **{"orders.csv": "a,b\n"})
    with pytest.raises(UsageError, match=r"orders.csv: no file pattern .*recs source new NAME"):
        land(home, CONTRACT, mine, dry_run=False)


def test_a_source_of_ones_own_is_advised_for_other_names_alone_and_not_for_what_is_cut(home, tmp_path):
    cut = WHOLE["events.csv.gz"][:40]
    folder = write(tmp_path / "cut", **{"events.csv.gz": cut, "items.csv": "item_id\ni1\n"})
    report = land(home, CONTRACT, folder, dry_run=True, look=misfit)
    assert ([name for name, _ in report.ignored], report.others) == (["events.csv.gz"], ())
    (folder / "orders.csv").write_text("a,b\n")
    assert land(home, CONTRACT, folder, dry_run=True, look=misfit).others == ("orders.csv",)
    (folder / "items.csv").write_text("sku\ni1\n")
    (folder / "orders.csv").unlink()
    (folder / "users.csv").write_text("user_id\nu1\n")
    assert land(home, CONTRACT, folder, dry_run=True, look=misfit).others == ("items.csv",)
    with pytest.raises(UsageError, match="land a whole copy") as caught:
        land(home, CONTRACT, write(tmp_path / "alone", **{"events.csv.gz": cut}), dry_run=True, look=misfit)
    assert "recs source new" not in str(caught.value)


def zipped(**files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2024, 5, 1, 12, 0, 0)), content)
    return packed.getvalue()


def with_fields(packed, *, flag=None, method=None):
    """The zip with another flag or method of packing told of its first member, in both of its headers."""
    content = bytearray(packed)
    for place in (0, content.index(b"PK\x01\x02") + 2):
        if flag is not None:
            content[place + 6] |= flag
        if method is not None:
            content[place + 8] = method
    return bytes(content)


ONE, TWO = "events-1.csv", "events-2.csv"
BOTH = {ONE: ROWS, TWO: ROWS + "u2,i2,view,2024-01-01\n"}


@pytest.mark.parametrize(
    ("packed", "left_out"),
    [
        (with_fields(zipped(**BOTH), flag=1), "export/events-1.csv"),  # encrypted
        (with_fields(zipped(**BOTH), method=99), "export/events-1.csv"),  # packed in a way Python does not know
        (zipped(**BOTH).replace(b"u1,i1", b"u1,i9", 1), "export/events-1.csv"),  # a byte has changed
        (zipped(**BOTH).replace(b"PK\x01\x02", b"PK\x00\x00"), "export.zip"),  # its list of members is damaged
    ],
)
def test_a_zip_that_cannot_be_read_is_left_out_and_the_rest_lands(home, tmp_path, packed, left_out):
    mine = write(tmp_path / "mine", **{"export.zip": packed, "items.csv": "item_id\ni1\n"})
    report = land(home, CONTRACT, mine, dry_run=False)
    assert [name for name, _ in report.ignored] == [left_out]
    assert "land a whole copy" in report.ignored[0][1]
    assert "contract/items.csv" in landed(home)
    assert not any(name.endswith("events-1.csv") for name in landed(home))


@pytest.mark.parametrize("packed", [with_fields(zipped(**{ONE: ROWS}), flag=1), zipped(**{ONE: ROWS})[:-9]])
def test_a_zip_of_one_file_that_cannot_be_read_is_left_out(home, tmp_path, packed):
    mine = write(tmp_path / "mine", **{"events-1.csv.zip": packed, "items.csv": "item_id\ni1\n"})
    report = land(home, CONTRACT, mine, dry_run=False)
    assert [name for name, _ in report.ignored] == ["events-1.csv.zip"]
    assert landed(home) == ["contract/items.csv"]


def test_a_zip_inside_a_zip_is_told(home, tmp_path):
    mine = write(tmp_path / "mine", **{"all.zip": zipped(**{"old.zip": zipped(**BOTH), ONE: ROWS})})
    report = land(home, CONTRACT, mine, dry_run=False)
    assert dict(report.ignored)["all/old.zip"].startswith("it is a zip inside a zip")


def test_members_of_a_zip_keep_their_own_times(home, tmp_path):
    mine = write(tmp_path / "mine", **{"export.zip": zipped(**BOTH)})
    land(home, CONTRACT, mine, dry_run=False)
    changed = {path.stat().st_mtime for path in home.landing.rglob("*.csv")}
    assert changed == {datetime(2024, 5, 1, 12, tzinfo=UTC).timestamp()}


def test_a_member_is_no_younger_than_its_zip(home, tmp_path):
    mine = write(tmp_path / "mine", **{"export.zip": zipped(**BOTH)})
    os.utime(mine / "export.zip", (1_700_000_000, 1_700_000_000))
    land(home, CONTRACT, mine, dry_run=False)
    assert {path.stat().st_mtime for path in home.landing.rglob("*.csv")} == {1_700_000_000}


def as_parquet():
    written = io.BytesIO()
    pl.DataFrame({"user_id": ["u1"], "item_id": ["i1"], "event_type": ["view"]}).write_parquet(written)
    return written.getvalue()


WHOLE = {
    "events.parquet": as_parquet(),
    "events.csv.gz": gzip.compress(ROWS.encode() * 9),
    "events.csv.zst": pa.compress(ROWS.encode() * 9, "zstd", asbytes=True),
}


@pytest.mark.parametrize("keep", [0.5, 0.99])
@pytest.mark.parametrize("in_zip", [False, True])
@pytest.mark.parametrize("name", sorted(WHOLE))
def test_a_file_cut_off_is_left_out_and_a_whole_one_lands(home, tmp_path, name, in_zip, keep):
    content = WHOLE[name]

    def given(content):
        return {"export.zip": zipped(**{name: content, "users.csv": "user_id\n"})} if in_zip else {name: content}

    cut = land(
        home,
        CONTRACT,
        write(tmp_path / "cut", **given(content[: int(len(content) * keep)]), **{"items.csv": "item_id\ni1\n"}),
        dry_run=False,
    )
    left_out, reason = cut.ignored[0]
    assert left_out.endswith(name)
    assert "land a whole copy" in reason
    assert not any(path.endswith(name) for path in landed(home))
    land(home, CONTRACT, write(tmp_path / "whole", **given(content)), dry_run=False)
    assert any(path.endswith(name) for path in landed(home))
