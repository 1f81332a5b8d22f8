"""The OpenAPI document as one HTML page that loads nothing from anywhere."""

from collections.abc import Mapping
from html import escape
from typing import Any

_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
    "code{background:#eee}td{padding:.2em 1em .2em 0}"
)


def docs_page(document: Mapping[str, Any]) -> str:
    """A section an endpoint: method, path, what it does, its parameters and answers."""
    paths: Mapping[str, Mapping[str, Any]] = document["paths"]
    sections = [
        _section(path, method, operations[method])
        for path, operations in sorted(paths.items())
        for method in ("get", "post", "delete")
        if method in operations
    ]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>recs API</title><style>{_STYLE}</style>'
        f'<h1>recs API, version 1</h1><p>For programs: <a href="/openapi.json">/openapi.json</a>. Keys are '
        f"sent as <code>Authorization: Bearer &lt;key&gt;</code>. Errors are problem documents (RFC 9457) with a "
        f"<code>code</code>.</p>{''.join(sections)}</html>"
    )


def _section(path: str, method: str, operation: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(str(each['name']))}</code></td><td>{escape(str(each['in']))}</td>"
        f"<td>{escape(str(each.get('description', '')))}</td></tr>"
        for each in operation.get("parameters", [])
    )
    answers = ", ".join(escape(str(status)) for status in operation.get("responses", {}))
    return (
        f"<h2><code>{escape(method.upper())} {escape(path)}</code></h2><p>{escape(str(operation.get('summary', '')))}. "
        f"Answers: {answers}.</p><table>{rows}</table>"
    )
