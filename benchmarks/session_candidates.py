"""Whether lists that follow sessions find the next item better with more candidates a user: the replay, once more.

`python -m benchmarks.session_candidates HOME --tune DATE … --report DATE … [--days 7]`: HOME holds their releases,
built with `serving.candidates = 200`. Each bundle is cut to fewer; the weight of sessions is chosen for each number on
what followed the first dates, and what is printed followed the second.
"""

import argparse
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.session_replay import DEFAULT, WEIGHTS, Moment, Ranker, batch, gain, replay, served, table, values_of
from recs_platform.contracts.home import Home
from recs_platform.contracts.time import parse_instant
from recs_platform.stages.releases.bundle import Bundle

NUMBERS = (50, 100, 200)


@cache
def shortened(bundle: Bundle, count: int) -> Bundle:
    """The bundle as it is where so many candidates of a user are kept."""
    arrays = bundle.arrays
    offsets = arrays["candidate.offsets"]
    lengths = np.diff(offsets)
    place = np.arange(int(offsets[-1])) - np.repeat(offsets[:-1], lengths)
    cut = np.concatenate([offsets[:1], np.cumsum(np.minimum(lengths, count))])
    kept = {f"candidate.{name}": arrays[f"candidate.{name}"][place < count] for name in ("items", "scores", "sources")}
    return Bundle(bundle.manifest, {**arrays, **kept, "candidate.offsets": cut}, bundle.opted_out_keys)


def with_candidates(count: int, ranker: Ranker) -> Ranker:
    """The ranker where so many candidates of a user are kept."""

    def rank(at: Moment) -> list[str]:
        bundle = shortened(at.bundle, count)
        return ranker(Moment(bundle, at.user, at.sessions, at.learned, at.recent, is_first=at.is_first))

    return rank


def main() -> None:
    parser = argparse.ArgumentParser(description="Hit rate and MRR of lists that follow sessions, by candidates kept.")
    parser.add_argument("home", type=Path)
    parser.add_argument("--tune", required=True, nargs="+", type=parse_instant)
    parser.add_argument("--report", required=True, nargs="+", type=parse_instant)
    parser.add_argument("--days", type=int, default=7)
    asked = parser.parse_args()
    home = Home(asked.home)
    tried = {
        (count, weight): with_candidates(count, served(weight)) for count in NUMBERS for weight in WEIGHTS if weight
    }
    names = {each: f"{each[0]} candidates, weight {each[1]:.1f}" for each in tried}
    tuned = replay(home, asked.tune, asked.days, {names[each]: ranker for each, ranker in tried.items()})
    print(f"## {asked.days} days from each of {len(asked.tune)} dates, on which the weights are chosen\n")
    table(tuned)
    best = {
        count: max(
            (each for each in tried if each[0] == count), key=lambda each: float(values_of(tuned[names[each]]).mean())
        )
        for count in NUMBERS
    }
    chosen = dict.fromkeys(each for count in NUMBERS for each in ((count, DEFAULT), best[count]))
    found = replay(home, asked.report, asked.days, {"released": batch, **{names[each]: tried[each] for each in chosen}})
    print(f"\n## {asked.days} days from each of {len(asked.report)} dates\n")
    table(found)
    print()
    base = names[(NUMBERS[0], DEFAULT)]
    for name in found:
        if name != base:
            print(f"{name}, less {base}: {gain(found[name], found[base])}")


if __name__ == "__main__":
    main()
