"""Who has no key, the wrong one, or asks too often is told so; what leaks nothing is what is stored."""

import json
import logging
from pathlib import Path

import pytest

from recs_platform.contracts.errors import RecsError, UsageError
from recs_platform.contracts.home import Home
from recs_platform.serving.keys import KeyRing, Scope, create_api_key, list_api_keys, revoke_api_key, valid_keys
from recs_platform.serving.server import build
from recs_platform.serving.tombstones import UserHashes
from recs_platform.settings import Settings
from recs_platform_tests.serving.served import Ask, Served

NOBODY = UserHashes(str, tuple)
LIST, ANY_ADDRESS = "/v1/users/u1/recommendations", "0.0.0.0"  # noqa: S104 - nothing is bound here


def test_a_key_is_found_by_its_token_alone_until_it_is_revoked(tmp_path: Path):
    home = Home(tmp_path)
    key, token = create_api_key(home, "shop", [Scope.READ])
    ring = KeyRing(list_api_keys(home))
    assert ring.find(token) == key
    assert [ring.find(wrong) for wrong in (token[:-1] + "!", token + "x", "", f"recs_{'0' * 12}_{token[-43:]}")] == [
        None
    ] * 4
    file = home.api_keys / f"{key.key_id}.json"
    assert token.rpartition("_")[2] not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    revoke_api_key(home, key.key_id)
    assert KeyRing(list_api_keys(home)).find(token) is None
    with pytest.raises(RecsError, match="no key"):
        revoke_api_key(home, "nothing")


def test_a_file_that_is_no_key_keeps_no_other_from_counting_or_from_being_revoked(tmp_path: Path):
    home, refused = Home(tmp_path), list[str]()
    key, token = create_api_key(home, "shop", [Scope.READ])
    (home.api_keys / "0broken.json").write_text("{")
    assert valid_keys(home, refused.append).find(token) == key
    assert ["0broken.json" in fault for fault in refused] == [True]
    revoke_api_key(home, key.key_id)
    assert valid_keys(home, refused.append).find(token) is None
    with pytest.raises(RecsError, match=r"0broken\.json is no key"):
        list_api_keys(home)


def test_events_are_json_and_nothing_else(tmp_path: Path):
    async def test(ask: Ask) -> None:
        for media, status in (
            ("application/json", 202),
            ("Application/JSON; charset=utf-8", 202),
            ("application/x-www-form-urlencoded", 415),
            ("text/plain", 415),
        ):
            event = {"user_id": "u1", "item_id": "a", "event_type": "click", "event_id": media}
            answer = await ask("POST", "/v1/events", content=json.dumps(event), headers={"content-type": media})
            assert answer.status_code == status, media
            assert status == 202 or answer.json()["code"] == "unsupported_media_type"

    Served(tmp_path).run(test)


def test_scopes_are_kept_apart(tmp_path: Path):
    home = Home(tmp_path)
    tokens = {scope: create_api_key(home, str(scope), [scope])[1] for scope in Scope}

    async def test(ask: Ask) -> None:
        for scope, expected in (
            (Scope.READ, (200, 403, 403)),
            (Scope.WRITE, (403, 422, 403)),
            (Scope.ADMIN, (200, 422, 202)),
        ):
            headers = {"authorization": f"Bearer {tokens[scope]}"}
            answers = [
                await ask("GET", LIST, headers=headers),
                await ask("POST", "/v1/events", json=[], headers=headers),
                await ask("DELETE", "/v1/users/u1", headers=headers),
            ]
            assert tuple(answer.status_code for answer in answers) == expected
        nobody = await ask("GET", LIST)
        assert (nobody.status_code, nobody.headers["www-authenticate"]) == (401, "Bearer")
        assert (await ask("GET", "/healthz")).status_code == 200

    Served(tmp_path, needs_keys=True).run(test)


def test_beyond_this_machine_nothing_is_served_without_a_key(tmp_path: Path):
    with pytest.raises(UsageError, match=r"0\.0\.0\.0.*recs keys create"):
        build(Settings(home=tmp_path), ANY_ADDRESS, str, NOBODY)
    with pytest.raises(UsageError, match="require_keys"):
        build(Settings(home=tmp_path, serving={"require_keys": True}), "127.0.0.1", str, NOBODY)
    create_api_key(Home(tmp_path), "shop", [Scope.READ])
    assert build(Settings(home=tmp_path), ANY_ADDRESS, str, NOBODY).door.keys is not None


def test_who_asks_too_often_is_told_when_to_come_again(tmp_path: Path):
    served = Served(tmp_path, rate_per_second=0.5, rate_burst=2)

    async def test(ask: Ask) -> None:
        assert [(await ask("GET", LIST)).status_code for _ in range(3)] == [200, 200, 429]
        assert (await ask("GET", LIST)).headers["retry-after"] == "2"
        served.clock.now += 2
        assert (await ask("GET", LIST)).status_code == 200

    served.run(test)


def test_other_origins_are_refused_unless_they_are_named(tmp_path: Path):
    async def test(ask: Ask) -> None:
        for origin, allowed in (("https://shop.example", "https://shop.example"), ("https://evil.example", None)):
            answer = await ask("GET", LIST, headers={"origin": origin})
            assert answer.headers.get("access-control-allow-origin") == allowed
        assert (await ask("OPTIONS", LIST, headers={"origin": "https://shop.example"})).status_code == 204

    Served(tmp_path, cors_origins=("https://shop.example",)).run(test)


@pytest.mark.parametrize("log_user_ids", [False, True])
def test_the_access_log_names_users_only_where_that_is_asked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, log_user_ids: bool
):
    async def test(ask: Ask) -> None:
        await ask("GET", LIST)

    with caplog.at_level(logging.INFO, "recs.access"):
        Served(tmp_path, log_user_ids=log_user_ids).run(test)
    said = [json.loads(record.message) for record in caplog.records if record.name == "recs.access"]
    assert [(each["endpoint"], each["status"]) for each in said] == [("/v1/users/{user_id}/recommendations", 200)]
    assert ("u1" in caplog.text) == log_user_ids
