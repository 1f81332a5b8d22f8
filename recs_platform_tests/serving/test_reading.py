"""What is asked of a server comes from the release in force; pages do not repeat; faults are problem documents."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from recs_platform.contracts.home import Home
from recs_platform.serving.keys import Scope, create_api_key
from recs_platform.serving.problems import PROBLEMS
from recs_platform.stages.releases import pin_release
from recs_platform_tests.serving.served import Ask, Served, item_ids, release_into
from recs_platform_tests.unit.stages.releases.bundles import AS_OF, content

LIST = "/v1/users/u1/recommendations"


def test_the_stored_list_comes_first_and_pages_go_on_without_repeats(tmp_path: Path):
    served = Served(tmp_path)

    async def test(ask: Ask) -> None:
        first = await ask("GET", LIST)
        found = first.json()
        assert item_ids(first) == "ab"
        assert [item["reason"] for item in found["items"]] == ["because of a", "because of b"]
        assert (found["release_id"], found["variant"]) == (served.release_id, "default")
        rest = await ask("GET", LIST, params={"cursor": found["next_cursor"]})
        assert item_ids(rest) == "de"  # c was consumed
        assert rest.json()["next_cursor"] is None
        assert rest.json()["recommendation_id"] == found["recommendation_id"]
        assert [item["rank"] for item in rest.json()["items"]] == [3, 4]
        served.clock.now += 16 * 60
        assert (await ask("GET", LIST, params={"cursor": found["next_cursor"]})).json()["code"] == "cursor_expired"

    served.run(test)


def test_a_place_of_the_released_list_keeps_the_chance_it_was_drawn_with(tmp_path: Path):
    made = content()
    drawn = pl.when(pl.col("item_id") == "b").then(0.25).otherwise(1.0).alias("propensity")

    async def test(ask: Ask) -> None:
        items = (await ask("GET", LIST, params={"k": 3})).json()["items"]
        assert [(item["item_id"], item["propensity"]) for item in items] == [("a", 1.0), ("b", 0.25), ("d", None)]

    Served(tmp_path, replace(made, lists=made.lists.with_columns(drawn))).run(test)


def test_unknown_users_and_those_who_opted_out_get_what_is_popular_in_their_context(tmp_path: Path):
    async def test(ask: Ask) -> None:
        for user in ("stranger", "gone", "a%2Fb"):
            path = f"/v1/users/{user}/recommendations"
            assert item_ids(await ask("GET", path, params={"k": 3})) == "abc"
            assert item_ids(await ask("GET", path, params={"k": 3, "device": "mobile"})) == "eda"

    Served(tmp_path).run(test)


def test_filters_and_regions_are_obeyed(tmp_path: Path):
    async def test(ask: Ask) -> None:
        assert item_ids(await ask("GET", LIST, params={"k": 5})) == "ade"
        assert item_ids(await ask("GET", LIST, params={"k": 5, "exclude": "d,nothing"})) == "ae"
        assert item_ids(await ask("GET", LIST, params={"k": 5, "category": "x"})) == "a"

    Served(tmp_path, content(excluded="b")).run(test)


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", LIST + "?k=0", "invalid_parameter"),
        ("GET", LIST + "?k=10000", "invalid_parameter"),
        ("GET", LIST + "?k=x", "invalid_parameter"),
        ("GET", LIST + "?k=1&k=2", "invalid_parameter"),
        ("GET", LIST + "?colour=red", "unknown_parameter"),
        ("GET", LIST + "?surface=nowhere", "invalid_parameter"),
        ("GET", LIST + "?category=nothing", "invalid_parameter"),
        ("GET", LIST + "?cursor=1%27%20or%201=1", "invalid_parameter"),
        ("GET", LIST + "?session_id=%00", "invalid_parameter"),
        ("GET", f"/v1/users/{'x' * 10_000}/recommendations", "invalid_id"),
        ("GET", "/v1/users/a%0Ab/recommendations", "invalid_id"),
        ("GET", "/v1/users/%FF/recommendations", "invalid_id"),
        ("GET", "/v1/users//recommendations", "invalid_id"),
        ("GET", "/v1/items/nothing/similar", "unknown_item"),
        ("GET", "/v1/items/no%2Fthing/similar", "unknown_item"),
        ("GET", "/v1/items/no%1Fthing/similar", "invalid_id"),
        ("GET", "/v1/items/a%2Fb%0A/similar", "invalid_id"),
        ("DELETE", "/v1/users/a%1Fb", "invalid_id"),
        ("GET", "/v1/items/a/similar?k=0", "invalid_parameter"),
        ("GET", "/v1/items/a/similar?k=1&k=2", "invalid_parameter"),
        ("GET", "/v1/popular?colour=red", "unknown_parameter"),
        ("GET", "/v1/popular?region=a%00", "invalid_parameter"),
        ("GET", "/v1/popular?region=%FF", "bad_request"),
        ("DELETE", "/v1/users/a?user_id=b", "unknown_parameter"),
        ("GET", "/readyz?user_id=b", "unknown_parameter"),
        ("GET", "/v1/nowhere", "not_found"),
        ("GET", "/", "not_found"),
        ("GET", "/nowhere", "not_found"),
        ("GET", "/schema?colour=red", "not_found"),
        ("GET", "/nowhere.json", "not_found"),
        ("GET", "/v1/users/u1/recommendation%73", "not_found"),
        ("PUT", "/v1/events", "method_not_allowed"),
    ],
)
def test_what_cannot_be_answered_is_a_problem_document(shared_served: Served, method: str, path: str, code: str):
    async def test(ask: Ask) -> None:
        response = await ask(method, path)
        found = response.json()
        assert (found["code"], response.status_code) == (code, PROBLEMS[code][0])
        assert response.headers["content-type"] == "application/problem+json"
        assert found["instance"].endswith(response.headers["x-request-id"])
        assert response.headers["x-content-type-options"] == "nosniff"

    shared_served.run(test)


@pytest.mark.parametrize("path", [LIST, "/v1/popular", "/v1/items/a/similar"])
@pytest.mark.parametrize("k", ["0", "x", "-1", "1001"])
def test_a_refused_k_is_told_what_it_may_be(shared_served: Served, path: str, k: str):
    async def test(ask: Ask) -> None:
        found = (await ask("GET", f"{path}?k={k}")).json()
        assert (found["detail"], found["parameter"]) == (f"k is a number from 1 to 1000, not '{k}'", "k")

    shared_served.run(test)


@pytest.fixture(scope="module")
def shared_served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    return Served(tmp_path_factory.mktemp("home"))


def test_the_other_endpoints(shared_served: Served):
    async def test(ask: Ask) -> None:
        assert item_ids(await ask("GET", "/v1/items/a/similar", params={"k": 2})) == "bc"
        assert item_ids(await ask("GET", "/v1/popular", params={"k": 1, "device": "mobile"})) == "e"
        assert (await ask("GET", "/v1/releases/current")).json()["users"] == 2
        assert (await ask("GET", "/healthz")).json()["status"] == "ok"
        assert (await ask("GET", "/readyz")).json()["is_ready"]
        text = (await ask("GET", "/metrics")).text
        assert 'recs_request_seconds_count{endpoint="/v1/popular"} ' in text
        assert "recs_ready 1\n" in text

    shared_served.run(test)


def test_answers_of_no_user_may_be_kept_for_seconds_and_until_the_bundle_is_another(tmp_path: Path):
    served = Served(tmp_path)

    async def test(ask: Ask) -> None:
        for path in ("/v1/popular", "/v1/items/a/similar", "/v1/releases/current"):
            first = await ask("GET", path)
            assert first.headers["cache-control"] == "public, max-age=4"
            again = await ask("GET", path, headers={"if-none-match": f'"other", W/{first.headers["etag"]}'})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
        lost = await ask("GET", "/v1/items/none/similar", headers={"if-none-match": first.headers["etag"]})
        assert (lost.status_code, lost.headers["cache-control"]) == (404, "no-store")
        assert (await ask("GET", LIST)).headers["cache-control"] == "no-store"
        release_into(served.home, content({"u1": "ed"}), "b", AS_OF + timedelta(days=1))
        served.application.watch.look()
        later = await ask("GET", "/v1/popular", headers={"if-none-match": first.headers["etag"]})
        assert (later.status_code, later.headers["etag"] == first.headers["etag"]) == (200, False)

    served.run(test)


def test_with_keys_no_cache_that_many_share_keeps_anything(tmp_path: Path):
    headers = {"authorization": f"Bearer {create_api_key(Home(tmp_path), 'shop', [Scope.READ])[1]}"}

    async def test(ask: Ask) -> None:
        assert (await ask("GET", "/v1/popular", headers=headers)).headers["cache-control"] == "private, max-age=4"

    Served(tmp_path, needs_keys=True).run(test)


def test_the_openapi_document_names_every_endpoint_and_all_its_references_are_there(shared_served: Served):
    async def test(ask: Ask) -> None:
        document = (await ask("GET", "/openapi.json")).json()
        assert document["openapi"].startswith("3.1")
        assert {"/v1/users/{user_id}/recommendations", "/v1/events", "/v1/popular", "/readyz"} <= set(document["paths"])
        references = set(_references(document))
        assert references
        for reference in references:
            place = document
            for part in reference.removeprefix("#/").split("/"):
                place = place[part]
        page = (await ask("GET", "/docs")).text
        assert "<b>GET</b> <code>/v1/popular</code>" in page
        assert "http" not in page.replace("http-equiv", "")

    shared_served.run(test)


def _references(node):
    if isinstance(node, dict):
        yield from ([node["$ref"]] if isinstance(node.get("$ref"), str) else [])
        node = list(node.values())
    for each in node if isinstance(node, list) else []:
        yield from _references(each)


def test_a_new_release_a_pin_and_a_lost_one_are_followed_without_a_failed_answer(tmp_path: Path):
    served = Served(tmp_path)
    watch = served.application.watch

    async def test(ask: Ask) -> None:
        first = (await ask("GET", LIST)).json()
        newer = release_into(served.home, content({"u1": "ed"}), "b", AS_OF + timedelta(days=1))
        assert watch.look()
        assert item_ids(await ask("GET", LIST)) == "ed"
        assert item_ids(await ask("GET", LIST, params={"cursor": first["next_cursor"]})) == "de"  # of the older one
        pin_release(served.home, served.release_id)
        assert watch.look()
        assert item_ids(await ask("GET", LIST)) == "ab"
        for name in ("releases", "serving"):
            (tmp_path / "artifacts" / name).rename(tmp_path / "artifacts" / f"{name}-gone")
        assert not watch.look()
        assert item_ids(await ask("GET", LIST)) == "ab"
        state = (await ask("GET", "/readyz")).json()
        assert state["is_ready"]
        assert state["release_fault"]
        assert newer != served.release_id

    served.run(test)


def test_without_a_release_the_server_runs_and_says_that_it_is_not_ready(tmp_path: Path):
    served = Served(tmp_path)
    (tmp_path / "artifacts").rename(tmp_path / "gone")

    async def test(ask: Ask) -> None:
        assert (await ask("GET", "/healthz")).status_code == 200
        assert (await ask("GET", "/readyz")).status_code == 503
        assert (await ask("GET", LIST)).json()["code"] == "not_ready"
        (tmp_path / "gone").rename(tmp_path / "artifacts")
        served.application.watch.look()
        assert item_ids(await ask("GET", LIST)) == "ab"

    served.run(test)
