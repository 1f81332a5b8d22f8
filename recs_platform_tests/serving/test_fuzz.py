"""Requests drawn from the served OpenAPI document, right and wrong: nothing fails, every answer is as documented."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from recs_platform.serving.problems import PROBLEMS
from recs_platform_tests.serving.served import Served

FAILED = 500
METHODS = ("GET", "POST", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS")
text = st.text(max_size=20) | st.sampled_from(
    ["u1", "a", "b", "", "%", "a/b", "\x00", "' or 1=1 --", "x" * 600, "true"]
)
values = text | st.integers(-5, 2000).map(str)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=5,
)
headers = st.dictionaries(
    st.sampled_from(["content-type", "authorization", "origin", "accept", "if-none-match", "x-forwarded-for"]),
    st.sampled_from(["application/json", "text/plain", "Bearer recs_0_0", "*/*", "https://x", "", "\xff"]),
    max_size=3,
)


class Fuzzed:
    """One application that answers every example, and its document."""

    def __init__(self, root: Path) -> None:
        self.served = Served(root, rate_per_second=1e6, rate_burst=1_000_000, learning=True)
        self.loop = asyncio.new_event_loop()
        self.running = self.served.application.running()
        self.loop.run_until_complete(self.running.__aenter__())
        transport = httpx.ASGITransport(self.served.application)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://recs")
        self.document: dict[str, Any] = self.ask("GET", "/openapi.json").json()

    def ask(self, method: str, url: str, **more: Any) -> httpx.Response:
        return self.loop.run_until_complete(self.client.request(method, url, **more))

    def close(self) -> None:
        self.loop.run_until_complete(self.client.aclose())
        self.loop.run_until_complete(self.running.__aexit__(None, None, None))
        self.loop.close()

    @cache  # noqa: B019 - one a module
    def validator(self, schema: str) -> Draft202012Validator:
        return Draft202012Validator({**json.loads(schema), "components": self.document["components"]})

    def operations(self) -> list[tuple[str, str]]:
        return [(method, path) for path, each in self.document["paths"].items() for method in each]


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    made = Fuzzed(tmp_path_factory.mktemp("fuzzed"))
    yield made
    made.close()


def fitting(schema: Mapping[str, Any], name: str) -> st.SearchStrategy[str]:
    """Values that a parameter's schema lets through, and those that mean something here."""
    if schema.get("type") == "integer":
        return st.integers(int(schema["minimum"]), int(schema["maximum"])).map(str)
    if schema.get("type") == "boolean":
        return st.sampled_from(["true", "false"])
    known = {"user_id": ["u1", "u2", "gone"], "surface": ["home"], "category": ["x", "y"]}
    return st.sampled_from(known.get(name, ["a", "b", "mobile", "DE"]))


@st.composite
def events(draw: st.DrawFn) -> bytes:
    """A body that is nearly an event, or is none."""
    right = {"user_id": draw(st.sampled_from(["u1", "u2", "new"])), "event_type": "click", "item_id": "a"}
    more = draw(
        st.dictionaries(st.sampled_from(["value", "position", "occurred_at", "request_id", "os", "x"]), anything)
    )
    event: Any = right | more if draw(st.booleans()) else right
    whole = draw(st.sampled_from([event, [event, event], [], [event, draw(anything)], draw(anything)]))
    body = json.dumps(whole).encode("utf-8", "surrogatepass")
    return body[: draw(st.integers(0, len(body)))] if draw(st.integers(0, 9)) == 0 else body


@st.composite
def requests(draw: st.DrawFn, document: Mapping[str, Any], method: str, path: str) -> tuple[str, str, dict[str, Any]]:
    """A request of an operation: mostly as documented, with something else in it now and then."""
    operation = document["paths"][path][method]
    query: list[tuple[str, str]] = []
    address = path
    for parameter in operation.get("parameters", []):
        name, fits = parameter["name"], fitting(parameter["schema"], parameter["name"])
        value = draw(fits if draw(st.integers(0, 3)) else values)
        if method == "delete" and value in ("u1", "u2"):  # whom others ask about
            value = "gone"
        if parameter["in"] == "path":
            address = address.replace(f"{{{name}}}", quote(value.encode("utf-8", "surrogatepass"), safe=""))
        elif draw(st.booleans()):
            query.append((name, value))
    if draw(st.integers(0, 9)) == 0:
        query.append((draw(text), draw(text)))
    more: dict[str, Any] = {"headers": {name: value.encode("latin-1") for name, value in draw(headers).items()}}
    if "requestBody" in operation:
        more["content"] = draw(events())
    encoded = urlencode(query, errors="surrogatepass")
    return method.upper(), f"{address}?{encoded}" if encoded else address, more


def test_every_answer_is_documented(fuzzed: Fuzzed) -> None:
    operations = fuzzed.operations()
    assert len(operations) == 9
    seen = set[tuple[str, int]]()

    @settings(max_examples=120, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(operations).flatmap(lambda each: st.tuples(st.just(each), requests(fuzzed.document, *each))))
    def ask(drawn: tuple[tuple[str, str], tuple[str, str, dict[str, Any]]]) -> None:
        (method, path), (verb, url, more) = drawn
        answer = fuzzed.ask(verb, url, **more)
        said = f"{verb} {url} {more}: {answer.status_code} {answer.text[:300]}"
        assert answer.status_code < FAILED, said
        documented = fuzzed.document["paths"][path][method]["responses"]
        assert str(answer.status_code) in documented, said
        seen.add((path, answer.status_code))
        media = answer.headers.get("content-type", "").partition(";")[0]
        content = documented[str(answer.status_code)].get("content", {})
        assert media in content or not answer.content, said
        schema = content.get(media, {}).get("schema", {})
        if media.endswith("json"):
            faults = [fault.message for fault in fuzzed.validator(json.dumps(schema)).iter_errors(answer.json())]
            assert not faults, said
        if media == "application/problem+json":
            assert PROBLEMS[answer.json()["code"]][0] == answer.status_code, said

    ask()
    assert len(seen) >= len(operations)


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(METHODS), st.lists(text, max_size=5), headers)
def test_what_is_not_documented_is_refused(fuzzed: Fuzzed, method: str, parts: list[str], given_headers: Any) -> None:
    path = "/v1/" + "/".join(quote(part.encode("utf-8", "surrogatepass"), safe="") for part in parts)
    answer = fuzzed.ask(method, path, headers={name: value.encode("latin-1") for name, value in given_headers.items()})
    assert 400 <= answer.status_code < FAILED, (method, path, answer.text[:300])
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code == 405) == ("allow" in answer.headers)
