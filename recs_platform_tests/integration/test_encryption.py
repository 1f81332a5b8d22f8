"""Published files, files of roles and exports that are encrypted: nothing of them can be read without their keys.

DuckDB's extension for that is fetched from a network, which tests have not: its other random numbers stand in.
"""

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from recs_platform.contracts.errors import NotReady, UsageError
from recs_platform.contracts.setting_groups import PrivacySettings, PublishSettings, RoleSettings
from recs_platform.pipeline.named_in_settings import require_hidden
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.published_keys import published_cipher, role_cipher
from recs_platform.pipeline.publishing import publish, publish_releases
from recs_platform.settings import PUBLISHED_KEY_VARIABLE
from recs_platform.warehouse import encryption
from recs_platform.warehouse.database_options import DatabaseOptions
from recs_platform.warehouse.publish import export
from recs_platform.warehouse.query import query
from recs_platform_tests.homes import Built, CommandLine, copy_home, platform_at

ENCRYPTED = PrivacySettings(encrypt=True)
USER = "u3e00-06"
PLAIN = DatabaseOptions(2, 1)


@pytest.fixture(scope="module")
def random_numbers():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encryption, "load_random_numbers", lambda con: con.execute("set force_mbedtls_unsafe = true"))
        yield


@pytest.fixture(scope="module")
def published(built: Built, tmp_path_factory: pytest.TempPathFactory, random_numbers: None) -> Platform:
    root = copy_home(built.platform, tmp_path_factory.mktemp("encrypted") / "home").home.root
    platform = platform_at(
        root,
        privacy=ENCRYPTED,
        publish=PublishSettings(exports=("parquet",)),
        roles={"analyst": RoleSettings(hide=("raw.users", "gender"))},
    )
    publish(platform)
    return platform


def opened(file: Path, key: str | None) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(config={"autoinstall_known_extensions": False})
    option = "" if key is None else f", encryption_key '{key}'"
    con.execute(f"attach '{file}' as x (read_only{option})")
    con.execute("use x")
    return con


def files(platform: Platform) -> list[Path]:
    home = platform.home
    return [home.analytics, home.role_files / "analyst.duckdb", home.exports / "lists.parquet"]


def test_no_export_of_before_stays_in_plain_once_files_are_encrypted_nor_under_an_earlier_key(
    built: Built, random_numbers: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = copy_home(built.platform, tmp_path / "home").home.root
    exports = PublishSettings(exports=("parquet",))
    kept = root / "exports" / ".kept"
    for privacy, key in ((PrivacySettings(), None), (ENCRYPTED, "a" * 40), (ENCRYPTED, "b" * 40)):
        if key is not None:
            monkeypatch.setenv(PUBLISHED_KEY_VARIABLE, key)
        platform = platform_at(root, privacy=privacy, publish=exports)
        publish(platform)
        assert [file.stat().st_ino for file in kept.iterdir()] == [files(platform)[2].stat().st_ino]


def test_no_byte_tells_anybody_and_nothing_opens_without_the_key(published: Platform) -> None:
    for file in files(published):
        assert USER.encode() not in file.read_bytes(), file.name
    for file in files(published)[:2]:
        with pytest.raises(duckdb.Error, match="without a key"):
            opened(file, None)
        with pytest.raises(duckdb.Error, match="Wrong encryption key"):
            opened(file, "0" * 64)
    with pytest.raises(duckdb.Error):
        duckdb.connect().execute(f"from '{files(published)[2]}'")


def test_with_its_key_each_file_holds_what_it_did(built: Built, published: Platform) -> None:
    analytics, role, lists = files(published)
    cipher, own = published_cipher(published), role_cipher(published, "analyst")
    assert cipher is not None
    assert own is not None
    assert cipher.key != own.key
    asked = "select * from recommendations.current order by user_id, rank"
    plain = query(built.platform.home.analytics, asked, PLAIN)
    assert query(analytics, asked, replace(PLAIN, cipher=cipher)).drop("release_id").equals(plain.drop("release_id"))
    with opened(analytics, cipher.key) as con:
        assert con.execute("select count(*) from latest.user_features").fetchall()[0][0] > 0
        listed = con.execute(f"from recommendations.list_on('{USER}', current_date)").fetchall()
        assert listed
    with opened(role, own.key) as con:
        assert con.execute("select count(*) from recommendations.current").fetchall()[0][0] == plain.height
    with pytest.raises(duckdb.Error, match="Wrong encryption key"):
        opened(analytics, own.key)
    con = duckdb.connect()
    con.execute(f"pragma add_parquet_key('k', '{cipher.key[:32]}')")
    rows = con.execute(f"select count(*) from read_parquet('{lists}', encryption_config => {{footer_key: 'k'}})")
    assert rows.fetchall()[0][0] == plain["user_id"].n_unique()


def test_keys_are_their_owners_alone(published: Platform) -> None:
    keys = published.home.keys
    assert {file.name: file.stat().st_mode & 0o777 for file in keys.glob("*.key") if file.name != "roles.key"} == {
        "published.key": 0o600, "role-analyst.key": 0o600
    }  # fmt: skip
    assert str(published_cipher(published)) == "Cipher()"


def test_a_publish_goes_on_with_the_encrypted_file(published: Platform, tmp_path: Path) -> None:
    platform = platform_at(copy_home(published, tmp_path / "home").home.root, privacy=ENCRYPTED)
    assert publish(platform).untouched
    publish_releases(platform)
    with pytest.raises(duckdb.Error, match="without a key"):
        opened(platform.home.analytics, None)
    # Without the setting the next one is plain.
    plain = platform_at(platform.home.root)
    publish(plain)
    opened(plain.home.analytics, None).close()


def test_an_export_is_encrypted_and_the_command_line_asks_as_before(
    recs: CommandLine, published: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = copy_home(published, tmp_path / "home").home.root
    (root / "recs.toml").write_text("[privacy]\nencrypt = true\n")
    code, out, err = recs(root, "sql", "select count(*) as n from raw.events", "--format", "csv")
    assert (code, err, out.splitlines()[0]) == (0, "", "n")
    assert int(out.splitlines()[1]) > 0
    platform = platform_at(root, privacy=ENCRYPTED)
    target = tmp_path / "given.duckdb"
    cipher = published_cipher(platform)
    export(
        platform.home.analytics,
        target,
        replace(PLAIN, temporary=platform.home.temporary, cipher=cipher),
        say=lambda _: None,
    )
    assert USER.encode() not in target.read_bytes()
    assert cipher is not None
    with opened(target, cipher.key) as con:
        assert con.execute("select count(*) from raw.events").fetchall()[0][0] > 0


def test_the_environment_gives_the_key_in_the_place_of_the_home(
    published: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = platform_at(copy_home(published, tmp_path / "home").home.root, privacy=ENCRYPTED)
    monkeypatch.setenv(PUBLISHED_KEY_VARIABLE, "short")
    with pytest.raises(UsageError, match="has 5 characters; a key needs 32 or more"):
        publish(platform)
    given = "a key of the environment, of no file"
    monkeypatch.setenv(PUBLISHED_KEY_VARIABLE, given)
    publish(platform)
    opened(platform.home.analytics, given).close()


def test_what_ends_with_a_publish_is_refused_where_duckdb_cannot_encrypt(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(con: duckdb.DuckDBPyConnection) -> None:
        con.execute("load no_such_extension")

    monkeypatch.setattr(encryption, "load_random_numbers", absent)
    root = copy_home(built.platform, tmp_path / "home").home.root
    (root / "recs.toml").write_text("[privacy]\nencrypt = true\n")
    platform = platform_at(root, privacy=ENCRYPTED)
    before = platform.home.analytics.read_bytes()
    with pytest.raises(UsageError, match=r"recs\.toml:2: privacy\.encrypt: DuckDB .* is not installed"):
        require_hidden(platform)
    with pytest.raises(NotReady, match="nothing was written"):
        publish(platform)
    assert platform.home.analytics.read_bytes() == before
    assert list(platform.home.published.glob("*.tmp-*")) == []
