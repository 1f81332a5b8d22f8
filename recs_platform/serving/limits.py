"""Rate limits: a token bucket a key, or a client's address where no key is asked."""

from collections import OrderedDict
from collections.abc import Callable
from math import ceil

from recs_platform.serving.problems import Problem

_CALLERS_MAX = 100_000


class RateLimits:
    """`burst` requests at once, `per_second` in the long run. `clock` gives monotonic seconds."""

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float]) -> None:
        self._per_second, self._burst, self._clock = per_second, float(burst), clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> None:
        """Count one request. Raises Problem `rate_limited` saying when to come again."""
        now = self._clock()
        left, since = self._buckets.get(caller, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._per_second)
        is_allowed = left >= 1.0
        self._buckets[caller] = (left - 1.0 if is_allowed else left, now)
        self._buckets.move_to_end(caller)
        if len(self._buckets) > _CALLERS_MAX:
            self._buckets.popitem(last=False)
        if not is_allowed:
            wait = ceil((1.0 - left) / self._per_second)
            raise Problem("rate_limited", f"{self._per_second:g} requests a second are allowed", retry_after=wait)
