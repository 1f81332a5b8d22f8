"""What the OpenAPI document says beyond what handlers tell by their types: problems of each endpoint, bounds of ids.

Handlers are in `documented`, the codes of problems in `problems`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from recs_platform.serving.problems import MEDIA_TYPE, PROBLEMS
from recs_platform.serving.remembered import CURSOR

_ID_MAX_BYTES = 512
_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
_ANYWHERE = (400, 422, 429, 500, 503)
_WITH_A_KEY = (401, 403)
# What else an endpoint may answer, by method and path.
_MORE: Mapping[tuple[str, str], tuple[int, ...]] = {
    ("get", "/v1/users/{user_id}/recommendations"): (410,),
    ("post", "/v1/events"): (408, 413, 415),
    ("get", "/v1/items/{item_id}/similar"): (404,),
}
_CACHED = frozenset({("get", "/v1/items/{item_id}/similar"), ("get", "/v1/popular"), ("get", "/v1/releases/current")})
_OPEN = frozenset({"/healthz", "/readyz"})
_PROBLEM = "Problem"
# An item, or the list whose rows were seen.
_WHAT_AN_EVENT_IS_OF = [
    {"required": ["item_id"], "properties": {"item_id": {"type": "string"}}},
    {
        "required": ["request_id"],
        "properties": {"event_type": {"const": "impression"}, "request_id": {"type": "string"}},
    },
]
_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "title": _PROBLEM,
    "description": "A problem document (RFC 9457); clients may rely on status and code.",
    "required": ["type", "title", "status", "detail", "code", "instance"],
    "properties": {
        "type": {"type": "string", "pattern": "^urn:recs:problem:"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "code": {"type": "string", "enum": sorted(PROBLEMS)},
        "instance": {"type": "string", "pattern": "^urn:recs:request:[0-9a-f]{32}$"},
        "parameter": {"type": "string"},
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/EventError"}},
    },
}


def described(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with problems in place of the framework's own errors; the one given is left as it is."""
    paths = {
        path: {method: _operation(method, path, operation) for method, operation in operations.items()}
        for path, operations in document["paths"].items()
    }
    components = document["components"]
    schemas = {**components["schemas"], _PROBLEM: _SCHEMA}
    properties = schemas["Event"]["properties"]
    above_zero = {**properties["propensity"], "exclusiveMinimum": 0}
    schemas["Event"] = {
        **schemas["Event"],
        "properties": {**properties, "propensity": above_zero},
        "anyOf": _WHAT_AN_EVENT_IS_OF,
    }
    return {**document, "paths": paths, "components": {**components, "schemas": schemas}}


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    made = {status: each for status, each in operation["responses"].items() if status.startswith("2")}
    found = {**operation, "responses": {**made, **_problems(_statuses(method, path))}}
    if "parameters" in operation:
        found["parameters"] = [_parameter(each) for each in operation["parameters"]]
    if method == "delete":
        found["responses"]["202"] = {"description": "The request is stored"}
    if path == "/v1/events":
        found["requestBody"] = _one_or_many(operation["requestBody"])
        found["responses"]["200"] = {**made["202"], "description": "All of them were there already"}
    if (method, path) in _CACHED:
        found["responses"]["304"] = {"description": "The client has it: If-None-Match names its ETag"}
    if path == "/readyz":
        found["responses"]["503"] = {**made["200"], "description": "Lists or events cannot be answered"}
    return found


def _statuses(method: str, path: str) -> Iterable[int]:
    own = () if path in _OPEN else _WITH_A_KEY
    return sorted({*_ANYWHERE, *own, *_MORE.get((method, path), ())})


def _problems(statuses: Iterable[int]) -> dict[str, Any]:
    content = {MEDIA_TYPE.decode(): {"schema": {"$ref": f"#/components/schemas/{_PROBLEM}"}}}
    return {
        str(status): {
            "description": "; ".join(title for known, title in PROBLEMS.values() if known == status),
            "content": content,
        }
        for status in statuses
    }


def _parameter(parameter: Mapping[str, Any]) -> Mapping[str, Any]:
    """Ids have bounds and cursors a form, which the framework does not tell of parameters."""
    if parameter["name"] == "cursor":
        return {**parameter, "schema": {"type": "string", "pattern": f"^{CURSOR}$"}}
    if parameter["in"] != "path":
        is_text, text = "oneOf" in parameter["schema"], {"type": "string", "pattern": _PRINTABLE}
        rest = {name: value for name, value in parameter["schema"].items() if name not in ("oneOf", "default")}
        return {**parameter, "schema": {**rest, **text}} if is_text else parameter
    bounds = {"type": "string", "minLength": 1, "maxLength": _ID_MAX_BYTES, "pattern": _PRINTABLE}
    return {**parameter, "schema": {**parameter["schema"], **bounds}}


def _one_or_many(body: Mapping[str, Any]) -> dict[str, Any]:
    media = "application/json"
    many = body["content"][media]["schema"]
    bounded = {**many, "minItems": 1, "maxItems": 1_000}
    return {**body, "content": {media: {"schema": {"anyOf": [many["items"], bounded]}}}}
