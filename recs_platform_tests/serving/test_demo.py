"""The demo page shows the list that the interface gives, a press is an event, and no text of the data is markup."""

import base64
import json
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import polars as pl
import pytest

from recs_platform.contracts.home import Home
from recs_platform.serving.keys import Scope, create_api_key
from recs_platform_tests.serving.served import Ask, Served
from recs_platform_tests.unit.stages.releases.bundles import content

HOSTILE = "<script>alert('x')</script>\"&"
_HIDDEN = re.compile(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">')
_PLACE = re.compile(r'name="item_id" value="([^"]*)"')


def fields(page: str) -> dict[str, str]:
    """The hidden fields of the first place's form."""
    return dict(_HIDDEN.findall(page.partition("</form>")[2].partition("</form>")[0]))


def test_it_is_off_unless_it_is_asked_for(tmp_path: Path):
    async def test(ask: Ask) -> None:
        for method, path in (("GET", "/demo"), ("POST", "/demo/events")):
            answer = await ask(method, path, params={"nonsense": "1"})
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

    Served(tmp_path).run(test)


def test_a_press_is_an_event_and_the_list_follows(tmp_path: Path):
    served = Served(tmp_path, demo=True)

    async def test(ask: Ask) -> None:
        assert ">u1</a>" in (await ask("GET", "/demo")).text
        page = await ask("GET", "/demo", params={"user_id": "u1", "surface": "home"})
        assert _PLACE.findall(page.text) == ["a", "b"]
        for shown in ("because of a", ">als</span>", "score 1.0000, propensity 1.0000", "<dd>default</dd>", "Title c"):
            assert shown in page.text
        assert "Place 1 of the released list. Candidate 1, score 1.0000." in page.text
        assert "script" not in page.text
        for header, part in (("content-security-policy", "default-src 'none'"), ("x-frame-options", "DENY")):
            assert part in page.headers[header]
        pressed = await ask("POST", "/demo/events", data=fields(page.text) | {"event_type": "click"})
        back = urlsplit(pressed.headers["location"])
        assert (pressed.status_code, back.path, back.fragment) == (303, "/demo", "list")
        assert parse_qs(back.query) | {"session_id": []} == {
            "user_id": ["u1"], "surface": ["home"], "item_id": ["a"], "session_id": [],
        }  # fmt: skip
        after = await ask("GET", pressed.headers["location"])
        assert "a" not in _PLACE.findall(after.text)
        assert "after &#39;Title a&#39; in this session" in after.text
        assert "Similar to Title a" in after.text

    served.run(test)
    (event,) = [json.loads(line) for line in served.landed().splitlines()]
    assert (event["event_type"], event["item_id"], event["position"], event["referrer"]) == ("click", "a", 1, "/demo")


def test_a_form_of_another_page_or_with_other_events_changes_nothing(tmp_path: Path):
    served = Served(tmp_path, demo=True)

    async def test(ask: Ask) -> None:
        form = fields((await ask("GET", "/demo", params={"user_id": "u1"})).text)
        for changed, code in (
            ({"token": "x"}, "forbidden"),
            ({"token": "é"}, "forbidden"),
            ({"event_type": "purchase"}, "invalid_parameter"),
            ({"position": "0"}, "invalid_parameter"),
            ({"position": "9" * 5000}, "invalid_parameter"),
            ({"user_id": ""}, "invalid_parameter"),
            ({"other": "1"}, "unknown_parameter"),
        ):
            answer = await ask("POST", "/demo/events", data={**form, "event_type": "click", **changed})
            assert answer.json()["code"] == code, changed
        answer = await ask("POST", "/demo/events", json={**form, "event_type": "click"})
        assert answer.json()["code"] == "unsupported_media_type"

    served.run(test)
    assert served.landed() == ""


@pytest.mark.parametrize("user", [HOSTILE, "a/b?c#d", "gone", "stranger"])
def test_any_text_is_text(tmp_path: Path, user: str):
    made = content(lists={HOSTILE: "ab", "gone": "cd"})
    titles = pl.when(pl.col("item_id") == "b").then(pl.lit(HOSTILE)).otherwise(pl.col("title"))
    served = Served(tmp_path, type(made)(**{**vars(made), "items": made.items.with_columns(title=titles)}), demo=True)

    async def test(ask: Ask) -> None:
        page = await ask("GET", "/demo", params={"user_id": user, "item_id": "a"})
        assert page.status_code == 200
        assert "<script" not in page.text
        assert "&lt;script&gt;" in page.text
        form = fields(page.text)
        pressed = await ask("POST", "/demo/events", data={**form, "user_id": user, "event_type": "dismiss"})
        assert parse_qs(urlsplit(pressed.headers["location"]).query)["user_id"] == [user]
        assert (await ask("GET", pressed.headers["location"])).status_code == 200

    served.run(test)


def test_what_is_wrong_with_a_field_is_said_on_the_page(tmp_path: Path):
    async def test(ask: Ask) -> None:
        for query, status in (
            ({"user_id": "x" * 600}, 422),
            ({"user_id": "u1", "surface": "moon"}, 422),
            ({"item_id": HOSTILE}, 404),
        ):
            page = await ask("GET", "/demo", params=query)
            assert (page.status_code, 'role="alert"' in page.text) == (status, True)
            assert "<script" not in page.text

    Served(tmp_path, demo=True).run(test)


def test_a_browser_sends_the_key_as_a_password(tmp_path: Path):
    token = create_api_key(Home(tmp_path), "me", [Scope.READ])[1]
    writer = create_api_key(Home(tmp_path), "me too", [Scope.READ, Scope.WRITE])[1]

    async def test(ask: Ask) -> None:
        refused = await ask("GET", "/demo")
        assert (refused.status_code, refused.headers["www-authenticate"][:5]) == (401, "Basic")
        for wrong in ("x", token + "x"):
            assert (await ask("GET", "/demo", headers=password(wrong))).status_code == 401
        page = await ask("GET", "/demo", params={"user_id": "u1"}, headers=password(token))
        assert _PLACE.findall(page.text) == ["a", "b"]
        pressed = {"data": fields(page.text) | {"event_type": "click"}}
        assert (await ask("POST", "/demo/events", headers=password(token), **pressed)).status_code == 403
        assert (await ask("POST", "/demo/events", headers=password(writer), **pressed)).status_code == 303
        elsewhere = await ask("GET", "/v1/popular", headers=password(token))  # which a page of another site may ask
        assert (elsewhere.status_code, elsewhere.headers["www-authenticate"]) == (401, "Bearer")

    Served(tmp_path, needs_keys=True, demo=True).run(test)


def password(token: str) -> dict[str, str]:
    """What a browser sends once a name and a password were typed in."""
    return {"authorization": f"Basic {base64.b64encode(f'anybody:{token}'.encode()).decode()}"}
