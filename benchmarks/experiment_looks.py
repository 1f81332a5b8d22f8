"""False alarms of experiments in which nothing differs, looked at daily, and how often a planted lift is found.

`python -m benchmarks.experiment_looks [--streams 10000]` prints one line a kind of stream. Tests try few of them.
"""

import argparse
from itertools import product

import numpy as np

from recs_platform.evaluation.experiments.anytime import ALPHA, critical_value, detectable
from recs_platform_tests.unit.evaluation.experiments.streams import look_daily

_AT_ONCE = 500
_USERS, _DAYS = 600, 28


def _share(streams: int, lift: float, *, at_once: bool, ratio: bool) -> tuple[float, float, float, float]:
    """Streams in which something was found: at every look, with a fixed interval; mean detectable; mean narrowed."""
    found = list[tuple[float, float, float, float]]()
    for seed in range(streams // _AT_ONCE):
        looks = look_daily(seed, streams=_AT_ONCE, users=_USERS, days=_DAYS, lift=lift, at_once=at_once, ratio=ratio)
        z = np.abs(looks.estimate.difference / looks.estimate.error)
        critical = critical_value(looks.clock, float(looks.clock[-1]) / 2)
        least = detectable(float(looks.estimate.error[:, -1].mean()), float(critical[-1]))
        found.append(
            (
                float((z > critical).any(axis=1).mean()),
                float((z > 1.96).any(axis=1).mean()),
                least,
                float(looks.estimate.narrowed[:, -1].mean()),
            )
        )
    return tuple(np.mean(found, axis=0).tolist())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=10_000)
    streams: int = parser.parse_args().streams
    print(f"{streams} streams of {_USERS} users, looked at on {_DAYS - 1} days, alpha {ALPHA}")
    for at_once, ratio in product((False, True), (True, False)):
        kind = f"{'all on the first day' if at_once else 'arriving evenly'}, {'ratio' if ratio else 'mean'}"
        alarms, fixed, _, narrowed = _share(streams, 0.0, at_once=at_once, ratio=ratio)
        print(
            f"{kind}: false alarms {alarms:.4f}, with a fixed interval {fixed:.4f}; variance taken away {narrowed:.2f}"
        )
    finds, _, least, _ = _share(streams // 10, 0.3, at_once=True, ratio=True)
    print(f"planted 0.03 where a look finds {least:.4f} four times in five: found in {finds:.3f}")


if __name__ == "__main__":
    main()
