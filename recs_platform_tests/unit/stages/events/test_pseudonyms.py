"""Pseudonyms are HMAC-SHA256, the same in SQL and Python; their key is made once and read by its owner alone."""

import hashlib
import hmac
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.home import Home
from recs_platform.contracts.setting_groups import PrivacySettings
from recs_platform.lake.tables import Lake
from recs_platform.stages.events import pseudonyms
from recs_platform.stages.events.pseudonyms import (
    create_key,
    names_of,
    open_privacy,
    prepare,
    pseudonym,
    pseudonym_sql,
    read_key,
)

KEYS = st.binary(min_size=32, max_size=32)
IDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
KEYED, PLAIN = (PrivacySettings(pseudonymize=each, user_attributes=("*",)) for each in (True, False))


@pytest.fixture
def home(tmp_path) -> Home:
    (tmp_path / "home").mkdir()
    return Home(tmp_path / "home")


@pytest.fixture
def lake(home) -> Lake:
    return Lake(home.lake)


@pytest.fixture(scope="module")
def shared() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        yield con


def take_in(lake):
    lake.append("raw.ingestions", pl.DataFrame({"file_hash": ["f"]}))


def in_sql(con, key, ids):
    prepare(con, key)
    rows = pl.DataFrame({"place": range(len(ids)), "id": pl.Series(ids, dtype=pl.String)}).to_arrow()
    con.register("ids", rows)
    return [row[0] for row in con.execute(f"select {pseudonym_sql('id')} from ids order by place").fetchall()]


@given(KEYS, st.lists(st.none() | IDS, min_size=1, max_size=20))
def test_sql_python_and_the_standard_library_agree(shared, key, ids):
    expected = [user and hmac.new(key, user.encode(), hashlib.sha256).hexdigest() for user in ids]
    expected = [hmac.new(key, b"", hashlib.sha256).hexdigest() if user == "" else user for user in expected]
    assert in_sql(shared, key, ids) == expected
    assert [None if user is None else pseudonym(key, user) for user in ids] == expected


@pytest.mark.parametrize(
    "user", ["", "u1", "ü-😀", "a\x00b", "\\x41", "x'); drop table ids; --", "é", "e\u0301", "z" * 500]
)
def test_awkward_ids_keep_apart(shared, user):
    key = b"k" * 32
    assert in_sql(shared, key, [user]) == [pseudonym(key, user)]
    assert pseudonym(key, user) != pseudonym(b"l" * 32, user)
    assert pseudonym(key, user) != pseudonym(key, user + " ")


def test_no_key_byte_is_in_the_sql_or_in_what_privacy_prints(home, lake):
    privacy = open_privacy(home, lake, KEYED)
    assert privacy.key is not None
    for text in (pseudonym_sql("user_id"), repr(privacy), str(privacy)):
        assert privacy.key.hex() not in text
        assert repr(privacy.key)[2:-1] not in text


def test_a_cursor_that_was_not_prepared_gives_no_pseudonym(shared):
    prepare(shared, b"k" * 32)
    with shared.cursor() as other:
        assert other.execute(f"select {pseudonym_sql(chr(39) + 'u' + chr(39))}").fetchall() == [(None,)]


def test_the_key_is_made_once_for_its_owner_alone(home):
    assert read_key(home) is None
    key = create_key(home)
    assert len(key) == 32
    assert create_key(home) == read_key(home) == key
    assert stat.S_IMODE(home.pseudonym_key.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.keys.stat().st_mode) == 0o700
    assert [path.name for path in home.keys.iterdir()] == ["pseudonym.key"]


def test_the_key_is_for_its_owner_alone_whatever_the_umask(home):
    before = os.umask(0)
    try:
        create_key(home)
    finally:
        os.umask(before)
    assert stat.S_IMODE(home.pseudonym_key.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.keys.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610, 0o777])
def test_a_key_that_others_may_read_is_refused(home, lake, mode):
    key = create_key(home)
    home.pseudonym_key.chmod(mode)
    with pytest.raises(UsageError, match="chmod 600") as rejected:
        open_privacy(home, lake, KEYED)
    assert key.hex() not in str(rejected.value)
    with pytest.raises(UsageError, match="chmod 600"):
        names_of(home, "u1")


@pytest.mark.parametrize("content", [b"", b"k" * 31, b"k" * 33])
def test_a_key_of_another_length_is_refused(home, content):
    create_key(home)
    home.pseudonym_key.write_bytes(content)
    with pytest.raises(UsageError, match="32 bytes"):
        create_key(home)


CREATE = """
import sys
from pathlib import Path
from recs_platform.contracts.home import Home
from recs_platform.stages.events.pseudonyms import create_key
print("ready", flush=True)
for line in sys.stdin:
    print(create_key(Home(Path(line.strip()))).hex(), flush=True)
"""


def test_processes_that_make_the_key_at_once_end_up_with_one(tmp_path):
    homes = [Home(tmp_path / f"home{number}") for number in range(20)]
    with ExitStack() as stack:
        command = [sys.executable, "-c", CREATE]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        children = [stack.enter_context(subprocess.Popen(command, **pipes)) for _ in range(3)]
        assert [child.stdout.readline() for child in children] == ["ready\n"] * 3
        for home in homes:
            home.root.mkdir()
            for child in children:
                child.stdin.write(f"{home.root}\n")
                child.stdin.flush()
        said = [child.communicate(timeout=60)[0].split() for child in children]
    keys = [read_key(home).hex() for home in homes]
    assert said == [keys] * 3
    assert len(set(keys)) == len(homes)
    assert all([path.name for path in home.keys.iterdir()] == ["pseudonym.key"] for home in homes)


def test_a_loser_of_the_race_reads_the_winners_key(home, monkeypatch):
    """The other process makes the key after this one looked and before it linked its own."""
    winner = b"w" * 32

    def slow(path, content):
        home.pseudonym_key.write_bytes(winner)
        home.pseudonym_key.chmod(0o600)
        path.write_bytes(content)

    monkeypatch.setattr(pseudonyms, "_write_new", slow)
    assert create_key(home) == winner


def test_settings_reach_ingestion(home, lake):
    plain = open_privacy(home, lake, PrivacySettings(user_attributes=("a",), item_attributes=()))
    assert (plain.key, plain.user_attributes, plain.item_attributes) == (None, ("a",), ())
    assert not home.keys.exists()
    assert plain.allowed_attributes("raw.users") == ("a",)
    barring = ("offered_in", "not_offered_in", "age_min")
    assert plain.allowed_attributes("raw.items") == barring, "never lost: they bar items"
    keyed = open_privacy(home, lake, KEYED)
    assert keyed.key == read_key(home)


def test_pseudonyms_cannot_be_switched_on_over_plain_ids(home, lake):
    take_in(lake)
    with pytest.raises(UsageError, match="stored as they came"):
        open_privacy(home, lake, KEYED)
    assert not home.keys.exists()
    assert open_privacy(home, lake, PLAIN).key is None


def test_a_sealed_batch_on_its_way_counts_as_taken_in(home, lake):
    (home.batches / "1.sealed").mkdir(parents=True)
    with pytest.raises(UsageError, match="stored as they came"):
        open_privacy(home, lake, KEYED)


def test_pseudonyms_cannot_be_switched_off_over_pseudonyms(home, lake):
    key = open_privacy(home, lake, KEYED).key
    with pytest.raises(UsageError, match="nothing was ingested"):
        open_privacy(home, lake, PLAIN)
    take_in(lake)
    with pytest.raises(UsageError, match="are pseudonyms"):
        open_privacy(home, lake, PLAIN)
    assert open_privacy(home, lake, KEYED).key == key


def test_a_lost_key_is_not_replaced_by_a_new_one(home, lake):
    open_privacy(home, lake, KEYED)
    take_in(lake)
    home.pseudonym_key.unlink()
    with pytest.raises(UsageError, match="backup"):
        open_privacy(home, lake, KEYED)
    assert not home.pseudonym_key.exists()


def test_a_user_is_looked_for_under_the_pseudonym_and_as_asked(home):
    assert names_of(home, "u1") == ("u1",)
    key = create_key(home)
    assert names_of(home, "u1") == (pseudonym(key, "u1"), "u1")
