"""Traces: a span for each request where OpenTelemetry is installed and set up, and nothing at all where it is not.

Whoever runs the server sets it up, such as with `opentelemetry-instrument recs serve`. Counts are in `metrics`.
"""

from __future__ import annotations

import importlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_NANOSECONDS = 1e9
_FAILED = 500


@dataclass(frozen=True)
class Traces:
    """Where spans go. `extract`: the trace that a request says it belongs to; `kind` and `fault` are the package's."""

    tracer: Any
    extract: Callable[[Mapping[str, str]], Any]
    kind: Any
    fault: Any

    def add(
        self, method: str, endpoint: str, status: int, seconds: float, headers: Iterable[tuple[bytes, bytes]]
    ) -> None:
        """Tell of a request that was answered just now; nothing of whom it was about."""
        ended = time.time_ns()
        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers if b"trace" in name}
        span = self.tracer.start_span(
            f"{method} {endpoint}",
            context=self.extract(carrier),
            kind=self.kind,
            start_time=ended - round(seconds * _NANOSECONDS),
            attributes={"http.request.method": method, "http.route": endpoint, "http.response.status_code": status},
        )
        if status >= _FAILED:
            span.set_status(self.fault)
        span.end(ended)


def find_traces(load: Callable[[str], Any] = importlib.import_module) -> Traces | None:
    """Traces of this process, None where the package is not installed."""
    try:
        trace, propagate = load("opentelemetry.trace"), load("opentelemetry.propagate")
    except ImportError:
        return None
    return Traces(
        trace.get_tracer("recs"), propagate.extract, trace.SpanKind.SERVER, trace.Status(trace.StatusCode.ERROR)
    )
