"""With pseudonyms no stored file names a user, and people who know the id are answered all the same."""

import hmac
import json
import re
from pathlib import Path

import polars as pl
import pytest

from recs_platform.contracts.home import Home
from recs_platform.lake.tables import Lake
from recs_platform.stages.events.pseudonyms import read_key
from recs_platform_tests.homes import CommandLine

USERS = ("ulysses-1", "ulysses-2", "ülysses-3")
EVENTS = [
    {
        "user_id": user,
        "item_id": f"i{item}",
        "event_type": "click",
        "occurred_at": f"2024-01-0{1 + item}T0{place}:00:00Z",
    }
    for place, user in enumerate((*USERS, "phone-of-ulysses"))
    for item in range(3)
]
REFUSED = {"user_id": USERS[0], "item_id": "i1", "event_type": "ulysses-jumped", "occurred_at": "2024-01-01T00:00:00Z"}


def rows(lake: Lake, table: str) -> pl.DataFrame:
    return pl.read_parquet(lake.files(f"raw.{table}"))


@pytest.fixture
def export(tmp_path: Path) -> Path:
    folder = tmp_path / "export"
    folder.mkdir()
    attributes = {"plan": {"name": "gold"}, "mother": "anticlea"}
    files = {
        "events": [*EVENTS, REFUSED],
        "users": [{"user_id": user, "attributes": attributes} for user in USERS],
        "items": [{"item_id": f"i{item}", "title": "Item", "attributes": {"colour": "red"}} for item in range(5)],
        "identities": [
            {"anonymous_id": "phone-of-ulysses", "user_id": USERS[0], "valid_from": "2024-01-02T00:00:00Z"},
        ],
        "consents": [
            {"user_id": USERS[1], "purpose": "personalization", "granted": True, "occurred_at": "2024-01-01T00:00:00Z"}
        ],
    }  # fmt: skip
    for name, found in files.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in found))
    return folder


@pytest.mark.trial
@pytest.mark.usefixtures("no_drawings")
def test_ids_are_hidden_from_the_lake_to_the_lists(
    recs: CommandLine, tmp_path: Path, export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / "home")
    monkeypatch.setenv("RECS_PRIVACY__PSEUDONYMIZE", "true")
    monkeypatch.setenv("RECS_PRIVACY__USER_ATTRIBUTES", '["plan"]')
    for command in (("land", "contract", str(export)), ("run",)):
        code, _, err = recs(home.root, *command)
        assert code == 0, err
    key, lake = read_key(home), Lake(home.lake)
    assert key is not None
    hidden = {user: hmac.new(key, user.encode(), "sha256").hexdigest() for user in (*USERS, "phone-of-ulysses")}

    assert set(rows(lake, "events")["user_id"]) == set(hidden.values())
    assert set(rows(lake, "users")["user_id"]) == {hidden[user] for user in USERS}
    assert rows(lake, "identities").select("anonymous_id", "user_id").rows() == [
        (hidden["phone-of-ulysses"], hidden[USERS[0]])
    ]
    assert rows(lake, "consents")["user_id"].to_list() == [hidden[USERS[1]]]
    assert rows(lake, "quarantine").select("reason_code", "payload").rows() == [("unknown_event_type", None)]
    assert set(rows(lake, "users")["attributes"]) == {'{"plan":{"name":"gold"}}'}
    assert [json.loads(text) for text in set(rows(lake, "items")["attributes"])] == [{"colour": "red"}]
    dropped = dict(rows(lake, "ingestions").select("contract_table", "attributes_dropped").iter_rows())
    assert (dropped["users"], dropped["items"]) == (len(USERS), 0)

    aside = {home.landing, home.keys}
    stored = [path for path in home.root.rglob("*") if path.is_file() and not aside & set(path.parents)]
    for path in stored:
        content = path.read_bytes()
        assert not re.search("[uü]lysses-[123]".encode(), content), path
        assert key not in content, path
        assert key.hex().encode() not in content, path

    for name, stored_as in (("ulysses-1", hidden[USERS[0]]), (hidden[USERS[2]], hidden[USERS[2]])):
        code, out, _ = recs(home.root, "recommend", name, "--json")
        found = json.loads(out)
        assert (code, found["user_id"]) == (0, name)
        code, out, _ = recs(
            home.root, "sql", f"from recommendations.current where user_id = '{stored_as}'", "--format", "csv"
        )
        assert len(found["items"]) == len(out.splitlines()) - 1
    answers = {}
    for name in ("ulysses-1", "phone-of-ulysses", hidden[USERS[0]]):
        code, out, err = recs(home.root, "explain", name, "i1", "--json")
        assert code == 0, err
        answers[name] = json.loads(out)
        assert answers[name].pop("user_id") == name
    assert len({json.dumps(answer) for answer in answers.values()}) == 1
    code, _, err = recs(home.root, "recommend", "telemachus")
    assert code == 1
    assert "'telemachus' has no list" in err


def test_the_setting_cannot_change_once_data_was_taken_in(
    recs: CommandLine, tmp_path: Path, export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, keyed = tmp_path / "plain", tmp_path / "keyed"
    for home, setting, other, said in (
        (plain, "false", "true", "stored as they came"),
        (keyed, "true", "false", "are pseudonyms"),
    ):
        monkeypatch.setenv("RECS_PRIVACY__PSEUDONYMIZE", setting)
        assert recs(home, "land", "contract", str(export))[0] == 0
        assert recs(home, "ingest")[0] == 0
        versions = {name: Lake(home / "lake").version(name) for name in Lake(home / "lake").names()}
        monkeypatch.setenv("RECS_PRIVACY__PSEUDONYMIZE", other)
        code, _, err = recs(home, "ingest")
        assert code == 1
        assert said in err
        assert {name: Lake(home / "lake").version(name) for name in versions} == versions
