"""A server of a million users: how soon it answers, and how much memory it takes beside the bundle's files.

`python -m benchmarks.serving_start [--users 1000000] [--lists 20000]`. The users of a small drawn release are repeated
under other ids until there are enough, which takes a minute where drawing them all would take the memory of a machine.
"""

import argparse
import os
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.homes import print_table, start_recs
from benchmarks.parts_serving import K, drawn_content, free_port, release_drawn
from recs_platform.cli.house import make_home
from recs_platform.contracts.home import Home
from recs_platform.lake.artifacts import artifact, write_artifact, write_manifest
from recs_platform.stages.releases.bundle import BundleRules, sealed_bundle
from recs_platform.stages.releases.bundle.keys import keys_of
from recs_platform.stages.releases.bundle.pages import PAGE_FILES, write_pages
from recs_platform.stages.releases.bundle.texts import pack_texts
from recs_platform.stages.releases.bundle.writing import FILES, RULES, SERVING_ARTIFACT, file_facts, remove_bundles

ITEMS, DRAWN = 20_000, 50_000
_BY_USER = {
    "list": ("items", "scores", "sources", "reasons", "propensities"),
    "candidate": ("items", "scores", "sources"),
    "consumed": ("items",),
}


def repeated(arrays: dict[str, NDArray[Any]], users: int) -> dict[str, NDArray[Any]]:
    """The arrays of a bundle with its users again and again under the ids u0, u1, … until there are `users`."""
    drawn = len(arrays["user.keys"])
    times = -(-users // drawn)
    users = times * drawn
    ids = [f"u{n}" for n in range(users)]
    keys = keys_of(ids)
    order = np.argsort(keys, kind="stable")
    by_key: list[int] = order.tolist()
    made = {
        **arrays,
        "user.keys": keys[order],
        **pack_texts("user.ids", [ids[place] for place in by_key]),
        "user.region": np.tile(arrays["user.region"], times),
    }
    for name, columns in _BY_USER.items():
        lengths = np.tile(np.diff(arrays[f"{name}.offsets"]), times)
        made[f"{name}.offsets"] = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
        made |= {f"{name}.{column}": np.tile(arrays[f"{name}.{column}"], times) for column in columns}
    return made


def enlarge(home: Home, release_id: str, users: int) -> int:
    """Put a bundle of so many users in the place of the release's; bytes of its files."""
    manifest = sealed_bundle(home, release_id)
    folder = artifact(home.artifacts, SERVING_ARTIFACT, manifest.version)
    names = [name for name in manifest.parameters[FILES] if name not in PAGE_FILES]
    arrays = repeated({name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in names}, users)
    version = f"{release_id}-{users:08x}"[-40:]
    with write_artifact(home.artifacts, SERVING_ARTIFACT, version) as building:
        for name, array in arrays.items():
            np.save(building / f"{name}.npy", array, allow_pickle=False)
        write_pages(building, arrays, BundleRules(**manifest.parameters[RULES]))
        facts = {name: file_facts(building / f"{name}.npy") for name in (*arrays, *PAGE_FILES)}
        parameters = {**manifest.parameters, FILES: facts}
        write_manifest(building, manifest.model_copy(update={"version": version, "parameters": parameters}))
    remove_bundles(home, release_id, but=version)
    return sum(int(each["bytes"]) for each in facts.values())


def memory(pid: int) -> dict[str, float]:
    """Megabytes of a process: of its own, of mapped files, and at most."""
    names = {"RssAnon": "own", "RssFile": "files", "VmHWM": "most"}
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {names[parts[0][:-1]]: int(parts[1]) / 1e3 for parts in lines if parts[0][:-1] in names}


def ask(port: int, users: list[int]) -> None:
    """The list of each of these users."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    for user in users:
        connection.request("GET", f"/v1/users/u{user}/recommendations?k={K}")
        response = connection.getresponse()
        body = response.read()
        if response.status != 200 or b'"rank":1' not in body:
            raise SystemExit(f"user u{user}: {response.status} {body[:200]!r}")


def first_answer(port: int) -> None:
    """Wait for the server, and ask for one list."""
    while True:
        try:
            ask(port, [7])
        except OSError:
            time.sleep(0.005)
        else:
            return


def measured(home: Home, users: int, lists: int, size: int) -> list[list[object]]:
    """A row after the first answer, and one after so many lists of different users."""
    os.environ |= {"RECS_SERVING__RATE_PER_SECOND": "1000000", "RECS_SERVING__RATE_BURST": "1000000"}
    rows, port = list[list[object]](), free_port()
    with (home.root / "server.log").open("w") as log:
        started = time.perf_counter()
        server = start_recs(home.root, "serve", "--port", str(port), output=log.fileno())
        try:
            first_answer(port)
            seconds = time.perf_counter() - started
            some = list(range(0, users, max(1, users // lists)))
            for what, asked in (("first answer", some[:1]), (f"{len(some):,} lists", some)):
                ask(port, asked)
                found = memory(server.pid)
                figures = (f"{found[name]:.0f}" for name in ("own", "files", "most"))
                rows.append([what, f"{seconds:.2f}", *figures, f"{size / 1e6:.0f}"])
        finally:
            server.terminate()
            server.wait(30)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Start a server of many users and look at its memory.")
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--lists", type=int, default=20_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="recs-", ignore_cleanup_errors=True) as folder:
        home = Home(Path(folder) / "home")
        make_home(home)
        release_id = release_drawn(home, drawn_content(DRAWN, ITEMS), DRAWN)
        started = time.perf_counter()
        size = enlarge(home, release_id, options.users)
        print(f"sealed in {time.perf_counter() - started:.0f} s", flush=True)
        columns = ["after", "seconds to it", "own MB", "mapped MB", "at most MB", "bundle MB"]
        print_table(columns, measured(home, options.users, options.lists, size))


if __name__ == "__main__":
    main()
