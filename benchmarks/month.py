"""Days of new files under the daemon, two of them bad: each day ends in a release, or without one for a stated reason.

`python -m benchmarks.month [--days 30] [--users 300] [--port 3077] [--keep FOLDER]`. Nobody does anything by hand:
files are moved into landing one day after another, sensors do the rest. A day without an end is exit code 1.
"""

import argparse
import json
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.homes import kept_or_temporary, must, print_table, reading, recs, start_recs
from recs_platform.contracts.home import Home

HISTORY_DAYS = 30
DAY_SECONDS_MAX = 900
SENSORS = ("landing_sensor", "new_events_sensor", "drift_sensor", "failure_sensor")
COLUMNS = ["day", "what came", "s", "runs", "ended in"]
BROKEN, ALL_NULL = "a file cut off in the middle", "no event names its item"
_EVENTS = "events"
_SELECTOR = {"repositoryLocationName": "recs_platform.definitions", "repositoryName": "__repository__"}
_START = "mutation($s:SensorSelector!){startSensor(sensorSelector:$s){__typename ... on PythonError{message}}}"
_TICKS = """query($s:SensorSelector!){sensorOrError(sensorSelector:$s){... on Sensor{sensorState{
ticks(limit:8){timestamp skipReason error{message}}}}}}"""
_RUNS = """{runsOrError(limit:40){... on Runs{results{runId jobName status tags{key value}}}}}"""
_ERRORS = """query($r:ID!){logsForRun(runId:$r){... on EventConnection{events{
__typename ... on ExecutionStepFailureEvent{stepKey error{message}} ... on RunFailureEvent{message}
... on AssetCheckEvaluationEvent{evaluation{success checkName description}}}}}}"""
_NOTHING_NEW = "Sensor function returned an empty result"


@dataclass(frozen=True)
class Daemon:
    """A running `recs ui`, asked over its GraphQL."""

    port: int

    def ask(self, query: str, **variables: object) -> dict[str, Any]:
        """The data of an answer. Raises OSError where nobody answers."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310
            return json.load(answer)["data"]

    def start(self, sensor: str) -> None:
        """Switch a sensor on, as a click in the UI does."""
        started = self.ask(_START, s={"sensorName": sensor, **_SELECTOR})["startSensor"]
        if started["__typename"] != "Sensor":
            sys.exit(f"{sensor} cannot be switched on: {started}")

    def runs(self) -> dict[str, dict[str, Any]]:
        """The latest runs by id."""
        return {run["runId"]: run for run in self.ask(_RUNS)["runsOrError"]["results"]}

    def ticks(self, sensor: str, since: float) -> list[dict[str, Any]]:
        """When the sensor looked since an instant, and why it started nothing, newest first."""
        ticks = self.ask(_TICKS, s={"sensorName": sensor, **_SELECTOR})["sensorOrError"]["sensorState"]["ticks"]
        return [tick for tick in ticks if tick["timestamp"] > since]

    def warnings(self, run: str) -> list[str]:
        """What checks of a run say that failed."""
        events = self.ask(_ERRORS, r=run)["logsForRun"]["events"]
        checks = [each["evaluation"] for each in events if each.get("evaluation")]
        return [f"{each['checkName']}: {each['description']}" for each in checks if not each["success"]]

    def why_failed(self, run: str) -> str:
        """The first error that a run tells."""
        events = self.ask(_ERRORS, r=run)["logsForRun"]["events"]
        told = [each["error"]["message"] for each in events if each.get("error")]
        told += [each["message"] for each in events if each["__typename"] == "RunFailureEvent"]
        return " ".join((told or ["no reason is told"])[0].split())[:160]


@contextmanager
def daemon(home: Path, port: int) -> Generator[Daemon]:
    """`recs ui` with its daemon, ready to be asked, stopped at the end."""
    with (Home(home).logs / "ui.log").open("w") as output:
        process = start_recs(home, "ui", "--port", str(port), output=output.fileno())
        try:
            yield _when_ready(Daemon(port))
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)


def _when_ready(asked: Daemon) -> Daemon:
    for _ in range(120):
        try:
            asked.ask("{version}")
        except (OSError, urllib.error.URLError):
            time.sleep(1)
        else:
            return asked
    sys.exit("recs ui did not answer within two minutes")


def main(arguments: list[str] | None = None) -> None:
    """Play the days, print what each ended in."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--port", type=int, default=3077)
    parser.add_argument("--keep", type=Path, default=None)
    given = parser.parse_args(arguments)
    with kept_or_temporary(given.keep) as folder:
        home, aside = folder / "home", folder / "aside"
        days = _lay_days(home, aside, days=given.days, users=given.users)
        with daemon(home, given.port) as asked:
            for sensor in SENSORS:
                asked.start(sensor)
            rows = [
                _play(asked, home, day, what, put) for day, what, put in _deliveries(days, aside, Home(home).landing)
            ]
    print_table(COLUMNS, rows)
    ended = sum(row[-1] != "nothing" for row in rows)
    print(f"{ended} of {len(rows)} days ended in a release, or without one for a stated reason")
    sys.exit(ended < len(rows))


def _lay_days(home: Path, aside: Path, *, days: int, users: int) -> list[datetime]:
    """A home with the first days of a world in landing, the others aside, a file each; which these are."""
    for root in (home, aside):
        must(recs(root, "init"), "recs init")
    span = HISTORY_DAYS + days
    must(recs(aside, "simulate", "--users", str(users), "--days", str(span)), "recs simulate")
    world = Home(aside).landing / "world"
    files = sorted(world.glob(f"{_EVENTS}-*.parquet"))
    events = pl.concat([pl.read_parquet(path) for path in files])
    by_day = events.with_columns(pl.from_epoch("ts_ms", "ms").dt.truncate("1d").alias("day"))
    # By its name: some events of a world are dated wrongly.
    first = datetime.strptime(files[0].stem[-8:], "%Y%m%d")  # noqa: DTZ007 - compared with days that have no zone
    target = Home(home).landing / "world"
    target.mkdir(parents=True)
    for path in world.iterdir():
        if not path.name.startswith(_EVENTS):
            path.rename(target / path.name)
    until = first + timedelta(days=HISTORY_DAYS)
    by_day.filter(pl.col("day") < until).drop("day").write_parquet(target / f"{_EVENTS}-history.parquet")
    later = [until + timedelta(days=number) for number in range(days)]
    for day in later:
        by_day.filter(pl.col("day") == day).drop("day").write_parquet(_file_of(aside, day))
    return later


def _file_of(aside: Path, day: datetime) -> Path:
    return aside / f"{_EVENTS}-{day:%Y%m%d}.parquet"


def _deliveries(
    days: list[datetime], aside: Path, landing: Path
) -> Generator[tuple[datetime, str, Callable[[], None]]]:
    """What comes on each day; after a bad day its events come again with the next."""
    bad = {days[len(days) // 3]: BROKEN, days[2 * len(days) // 3]: ALL_NULL}
    for number, day in enumerate(days):
        what = bad.get(day, "its events")
        again = [days[number - 1]] if number and days[number - 1] in bad else []

        def put(day: datetime = day, again: list[datetime] = again, what: str = what) -> None:
            if what == BROKEN:
                _move(_cut_off(_file_of(aside, day)), landing / "world" / f"{_EVENTS}-{day:%Y%m%d}.parquet")
                return
            if what == ALL_NULL:
                _move(_without_items(_file_of(aside, day)), landing / "world" / f"{_EVENTS}-{day:%Y%m%d}.parquet")
                return
            for each in (*again, day):
                name = f"{_EVENTS}-{each:%Y%m%d}{'-again' if each in again else ''}.parquet"
                _move(_file_of(aside, each), landing / "world" / name)

        yield day, what + (", and those of the day before" if again else ""), put


def _cut_off(path: Path) -> Path:
    cut = path.with_suffix(".cut")
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return cut


def _without_items(path: Path) -> Path:
    made = path.with_suffix(".null")
    pl.read_parquet(path).with_columns(pl.lit(None, pl.String).alias("iid")).write_parquet(made)
    return made


def _move(path: Path, target: Path) -> None:
    path.rename(target)


def _play(asked: Daemon, home: Path, day: datetime, what: str, put: Callable[[], None]) -> list[object]:
    """Deliver, then wait for a release of the as-of, or for the word of a sensor or run why there is none."""
    key = f"{day + timedelta(days=1):%Y-%m-%d}"
    before, started = set(asked.runs()), time.monotonic()
    came = time.time()
    put()
    ended = "nothing"
    while ended == "nothing" and time.monotonic() - started < DAY_SECONDS_MAX:
        time.sleep(3)
        ended = _end(asked, home, key, before, came)
    runs = [run for run_id, run in asked.runs().items() if run_id not in before]
    names = ", ".join(sorted(f"{run['jobName']} {run['status'].lower()}" for run in runs))
    row: list[object] = [f"{day:%Y-%m-%d}", what, round(time.monotonic() - started), names, ended]
    print(*row, sep=" | ", flush=True)
    return row


def _end(asked: Daemon, home: Path, key: str, before: set[str], came: float) -> str:
    """In what the day ended; "nothing" as long as it goes on."""
    runs = {run_id: run for run_id, run in asked.runs().items() if run_id not in before}
    if any(run["status"] not in {"SUCCESS", "FAILURE", "CANCELED"} for run in runs.values()):
        return "nothing"
    builds = [(run_id, run) for run_id, run in runs.items() if run["jobName"] == "build"]
    if builds:
        failed = next((run_id for run_id, run in builds if run["status"] != "SUCCESS"), None)
        return _released(home, key) if failed is None else f"no release: {asked.why_failed(failed)}"
    # Both have looked twice since the file came, and nothing goes on.
    ticks = {name: asked.ticks(name, came) for name in SENSORS[:2]}
    if any(not found or found[0]["timestamp"] < came + 70 for found in ticks.values()):
        return "nothing"
    told = [f"{name}: {tick['skipReason'] or tick['error']}" for name, found in ticks.items() for tick in found]
    told = [each for each in dict.fromkeys(told) if not each.endswith(_NOTHING_NEW)]
    told = [warning for run_id in runs for warning in asked.warnings(run_id)] + told
    return f"no release: {' '.join('; '.join(told).split())[:300]}" if told else "nothing"


def _released(home: Path, key: str) -> str:
    with reading(home) as con:
        found = con.execute("select distinct release_id from recommendations.current").fetchall()
    releases = [str(row[0]) for row in found]
    return releases[0] if releases and releases[0].startswith(key) else f"built, but {releases} is in force"


if __name__ == "__main__":
    main()
