"""What Prometheus is told: requests and their seconds by endpoint, the spool, sessions, the release's age."""

from bisect import bisect_left
from collections.abc import Mapping

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
MEDIA_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counts of this process. Endpoints are patterns of paths, never paths: their number is fixed."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, int], int] = {}
        self._buckets: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}

    def add(self, endpoint: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._requests[endpoint, status] = self._requests.get((endpoint, status), 0) + 1
        counts = self._buckets.setdefault(endpoint, [0] * (len(BUCKETS) + 1))
        counts[bisect_left(BUCKETS, seconds)] += 1
        self._seconds[endpoint] = self._seconds.get(endpoint, 0.0) + seconds

    def text(self, gauges: Mapping[str, tuple[str, float]]) -> str:
        """The exposition format; `gauges` are a help text and a value by name."""
        lines = ["# HELP recs_requests_total Answered requests.", "# TYPE recs_requests_total counter"]
        lines += [
            f'recs_requests_total{{endpoint="{endpoint}",status="{status}"}} {count}'
            for (endpoint, status), count in sorted(self._requests.items())
        ]
        lines += ["# HELP recs_request_seconds Seconds to answer.", "# TYPE recs_request_seconds histogram"]
        for endpoint, counts in sorted(self._buckets.items()):
            lines += _histogram(endpoint, counts, self._seconds[endpoint])
        for name, (about, value) in sorted(gauges.items()):
            lines += [f"# HELP {name} {about}", f"# TYPE {name} gauge", f"{name} {value:.10g}"]
        return "\n".join(lines) + "\n"


def _histogram(endpoint: str, counts: list[int], seconds: float) -> list[str]:
    lines, below = list[str](), 0
    for bound, count in zip((*map(str, BUCKETS), "+Inf"), counts, strict=True):
        below += count
        lines.append(f'recs_request_seconds_bucket{{endpoint="{endpoint}",le="{bound}"}} {below}')
    lines.append(f'recs_request_seconds_sum{{endpoint="{endpoint}"}} {seconds:.9g}')
    lines.append(f'recs_request_seconds_count{{endpoint="{endpoint}"}} {below}')
    return lines
