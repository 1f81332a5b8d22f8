"""A span for each request where OpenTelemetry is there: its endpoint, status and trace, and nothing of the user."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from recs_platform.serving.tracing import find_traces
from recs_platform_tests.serving.served import Ask, Served

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Package:
    """As much of the package as is asked for, which keeps what it is told."""

    def __init__(self) -> None:
        self.spans = list[dict[str, Any]]()
        self.modules = {
            "opentelemetry.trace": SimpleNamespace(
                get_tracer=lambda _: SimpleNamespace(start_span=self.start_span),
                SpanKind=SimpleNamespace(SERVER="server"),
                Status=str,
                StatusCode=SimpleNamespace(ERROR="error"),
            ),
            "opentelemetry.propagate": SimpleNamespace(extract=lambda carrier: carrier.get("traceparent")),
        }

    def start_span(self, name: str, **more: Any) -> Any:
        span = {"name": name, **more}
        self.spans.append(span)
        return SimpleNamespace(
            set_status=lambda status: span.update(status=status), end=lambda ended: span.update(ended=ended)
        )


def test_without_the_package_nothing_is_traced() -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(name)

    assert find_traces(missing) is None


def test_each_request_is_a_span_of_the_trace_it_names(tmp_path: Path) -> None:
    served, package = Served(tmp_path), Package()
    served.application.door.traces = find_traces(package.modules.__getitem__)

    async def test(ask: Ask) -> None:
        await ask("GET", "/v1/users/u1/recommendations", headers={"traceparent": TRACE})
        await ask("GET", "/v1/nowhere")
        served.application.spool.fault = "full"
        await ask("GET", "/readyz")
        served.application.spool.fault = None

    served.run(test)
    first, _, last = package.spans
    assert (first["name"], first["context"], first["kind"]) == (
        "GET /v1/users/{user_id}/recommendations", TRACE, "server",
    )  # fmt: skip
    assert 0 < first["ended"] - first["start_time"] < 5e9
    assert [span["attributes"]["http.response.status_code"] for span in package.spans] == [200, 404, 503]
    assert ("status" in first, last["status"]) == (False, "error")
    assert "u1" not in str(package.spans)
