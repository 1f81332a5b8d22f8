"""What Prometheus is told: requests by endpoint, lists by variant, the spool, sessions, the release's age."""

from bisect import bisect_left
from collections.abc import Mapping

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
MEDIA_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class Histogram:
    """Seconds by label, a text such as `endpoint="/metrics"`."""

    def __init__(self, name: str, about: str) -> None:
        self._name, self._about = name, about
        self._buckets: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}

    def add(self, label: str, seconds: float) -> None:
        """Count one."""
        counts = self._buckets.get(label)
        if counts is None:
            counts, self._seconds[label] = self._buckets.setdefault(label, [0] * (len(BUCKETS) + 1)), 0.0
        counts[bisect_left(BUCKETS, seconds)] += 1
        self._seconds[label] += seconds

    def lines(self) -> list[str]:
        """The exposition format; nothing before the first was counted."""
        lines = [f"# HELP {self._name} {self._about}", f"# TYPE {self._name} histogram"] if self._buckets else []
        for label, counts in sorted(self._buckets.items()):
            below = 0
            for bound, count in zip((*map(str, BUCKETS), "+Inf"), counts, strict=True):
                below += count
                lines.append(f'{self._name}_bucket{{{label},le="{bound}"}} {below}')
            lines.append(f"{self._name}_sum{{{label}}} {self._seconds[label]:.9g}")
            lines.append(f"{self._name}_count{{{label}}} {below}")
        return lines


class VariantMetrics:
    """Lists made under each variant: their seconds, and how many could not be made."""

    def __init__(self) -> None:
        self._seconds = Histogram("recs_variant_list_seconds", "Seconds to make a list, by variant.")
        self._failed: dict[str, int] = {}

    def add(self, variants: Mapping[str, str], seconds: float, *, failed: bool = False) -> None:
        """Count one list, once for each experiment the user is in."""
        for experiment, variant in variants.items():
            label = f'experiment="{experiment}",variant="{variant}"'
            self._seconds.add(label, seconds)
            self._failed[label] = self._failed.get(label, 0) + failed

    def lines(self) -> list[str]:
        """The exposition format; nothing without an experiment."""
        if not self._failed:
            return []
        name = "recs_variant_failures_total"
        lines = [f"# HELP {name} Lists that could not be made, by variant.", f"# TYPE {name} counter"]
        lines += [f"{name}{{{label}}} {count}" for label, count in sorted(self._failed.items())]
        return lines + self._seconds.lines()


class Metrics:
    """Counts of this process. Endpoints are patterns of paths, never paths: their number is fixed."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, int], int] = {}
        self._labels: dict[str, str] = {}
        self._seconds = Histogram("recs_request_seconds", "Seconds to answer.")
        self.variants = VariantMetrics()

    def add(self, endpoint: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        key = endpoint, status
        self._requests[key] = self._requests.get(key, 0) + 1
        label = self._labels.get(endpoint)
        if label is None:
            label = self._labels.setdefault(endpoint, f'endpoint="{endpoint}"')
        self._seconds.add(label, seconds)

    def text(self, gauges: Mapping[str, tuple[str, float]]) -> str:
        """The exposition format; `gauges` are a help text and a value by name."""
        lines = ["# HELP recs_requests_total Answered requests.", "# TYPE recs_requests_total counter"]
        lines += [
            f'recs_requests_total{{endpoint="{endpoint}",status="{status}"}} {count}'
            for (endpoint, status), count in sorted(self._requests.items())
        ]
        lines += self._seconds.lines() + self.variants.lines()
        for name, (about, value) in sorted(gauges.items()):
            lines += [f"# HELP {name} {about}", f"# TYPE {name} gauge", f"{name} {value:.10g}"]
        return "\n".join(lines) + "\n"
