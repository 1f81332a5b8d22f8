"""The OpenAPI document as one HTML page that loads nothing from anywhere."""

from collections.abc import Mapping
from html import escape
from typing import Any

# Colours and letters are those of the demo page, whose templates are not loaded for this one.
_STYLE = (
    ":root{color-scheme:light dark;--ground:#fff;--panel:#f4f6f8;--ink:#1c2733;--muted:#55626f;--line:#d7dee6;"
    "--link:#0b5cad}"
    "@media (prefers-color-scheme:dark){:root{--ground:#12181f;--panel:#1b232c;--ink:#e4eaf0;--muted:#a3b0bd;"
    "--line:#33404d;--link:#79b8ff}}"
    "*{box-sizing:border-box}"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1.5rem 1rem 4rem;"
    "background:var(--ground);color:var(--ink);overflow-wrap:anywhere}"
    "a{color:var(--link)}h1{font-size:1.5rem;margin:.3rem 0}p{margin:.4rem 0}"
    "section{border-top:1px solid var(--line);margin-top:1.4rem;padding-top:.8rem}"
    "h2{font-size:1.05rem;margin:.2rem 0}h2 b{display:inline-block;min-width:4.8rem;color:var(--muted)}"
    "code{font-family:ui-monospace,monospace;font-size:.95em;background:var(--panel);padding:0 .2em;border-radius:.2em}"
    ".answers{color:var(--muted);font-size:.9rem}"
    "table{border-collapse:collapse;margin:.5rem 0}td{padding:.2rem 1rem .2rem 0;vertical-align:top}"
    "td+td{color:var(--muted)}"
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
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>recs API</title><link rel="icon" href="data:,"><style>{_STYLE}</style>'
        '<h1>recs API, version 1</h1><p>For programs: <a href="/openapi.json">/openapi.json</a>. Keys are '
        "sent as <code>Authorization: Bearer &lt;key&gt;</code>. Errors are problem documents (RFC 9457) with a "
        f"<code>code</code>.</p>{''.join(sections)}</html>"
    )


def _section(path: str, method: str, operation: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(str(each['name']))}</code></td><td>{escape(str(each['in']))}</td>"
        f"<td>{escape(str(each.get('description', '')))}</td></tr>"
        for each in operation.get("parameters", [])
    )
    answers = ", ".join(escape(str(status)) for status in sorted(operation.get("responses", {}), key=str))
    return (
        f"<section><h2><b>{escape(method.upper())}</b> <code>{escape(path)}</code></h2>"
        f"<p>{escape(str(operation.get('summary', '')))}.</p>"
        f'{f"<table>{rows}</table>" if rows else ""}<p class="answers">Answers: {answers}</p></section>'
    )
