"""What was dismissed stays away until a release knows of it: after the session, a restart, and in another process."""

import json
import os
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from recs_platform.lake.forget_requests import add_request
from recs_platform.serving.dismissals import Dismissal, DismissalFiles, Dismissals, LastDismissals
from recs_platform.stages.releases.bundle import open_bundle
from recs_platform.stages.releases.bundle.amending import amend_bundle
from recs_platform.stages.releases.withheld import Withheld
from recs_platform_tests.serving.served import Ask, Served, item_ids, release_into
from recs_platform_tests.unit.stages.releases.bundles import AS_OF, content

LIST = "/v1/users/u2/recommendations"
LATER = datetime(2100, 1, 1, tzinfo=UTC)
HOUR = 3600.0


def test_a_dismissal_outlives_its_session_and_the_process(tmp_path: Path) -> None:
    served = Served(tmp_path)

    async def dismiss(ask: Ask) -> None:
        assert item_ids(await ask("GET", LIST)) == "bc"
        event = {"user_id": "u2", "item_id": "b", "event_type": "dismiss"}
        assert (await ask("POST", "/v1/events", json=event)).status_code == 202
        assert item_ids(await ask("GET", LIST)) == "cd"
        served.clock.now += 31 * 60
        assert served.application.serving.sessions.of("u2") is None
        for query in ("", "?explain=true", "?k=9"):
            assert "b" not in item_ids(await ask("GET", f"{LIST}{query}"))
        assert item_ids(await ask("GET", LIST.replace("u2", "u1"))) == "ab"

    async def ask_again(ask: Ask) -> None:
        assert item_ids(await ask("GET", LIST)) == "cd"

    async def ask_a_release_that_knows(ask: Ask) -> None:
        assert item_ids(await ask("GET", LIST)) == "bc"  # rules of batch left it in

    async def ask_after_forgetting(ask: Ask) -> None:
        assert item_ids(await ask("GET", LIST)) == "ab"
        assert "u2" not in served.application.serving.dismissals.users()

    served.run(dismiss)
    served.restart()
    served.run(ask_again)
    release_into(served.home, content(), "b", LATER)
    served.restart()
    served.run(ask_a_release_that_knows)
    add_request(served.home, "u2")
    served.restart()
    served.run(ask_after_forgetting)


def test_a_release_knows_what_was_in_landing_well_before_it(tmp_path: Path) -> None:
    served = Served(tmp_path)
    bundle, at = open_bundle(served.home, served.release_id), AS_OF.timestamp()
    kept = Dismissals(1_000_000)
    for item, occurred, accepted in (
        ("known", at - 8 * HOUR, at - 7 * HOUR),
        ("just in", at - 8 * HOUR, at - 5 * HOUR),
        ("later", at + 1, at + 1),
        ("ahead", at + 1, at - 7 * HOUR),
    ):
        kept.add(Dismissal("u", item, occurred, accepted))
    assert kept.unknown_to(bundle, "u") == ["just in", "later", "ahead"]
    assert kept.unknown_to(bundle, "v") == []
    kept.add(Dismissal("u", "known", at - 8 * HOUR, at))  # sent again: what is known of it is the latest
    assert set(kept.unknown_to(bundle, "u")) == {"known", "just in", "later", "ahead"}


def test_a_bundle_that_learned_of_a_withdrawal_knows_no_more_dismissals(tmp_path: Path) -> None:
    served = Served(tmp_path)
    kept, accepted = Dismissals(1_000_000), AS_OF.timestamp() + HOUR
    kept.add(Dismissal("u", "b", AS_OF.timestamp() - HOUR, accepted))
    for item in "ac":  # the second finds a bundle that was amended before
        amended = Withheld(withdrawn=frozenset(item))
        amend_bundle(served.home, served.release_id, amended, known_at=AS_OF + timedelta(days=ord(item)))
        assert kept.unknown_to(open_bundle(served.home, served.release_id), "u") == ["b"]


def test_files_of_landing_are_read_once_and_anew_for_an_older_release(tmp_path: Path) -> None:
    served = Served(tmp_path)
    older = open_bundle(served.home, served.release_id)
    newer = open_bundle(served.home, release_into(served.home, content(), "b", LATER))
    landing = tmp_path / "landing" / "http"
    landing.mkdir(parents=True)

    def lay(name: str, *lines: str) -> None:
        (landing / name).write_text("".join(f"{line}\n" for line in lines))

    def event(item: str, kind: str = "dismiss") -> str:
        return json.dumps(
            {"user_id": "u", "event_type": kind, "item_id": item, "occurred_at": "2024-03-02T00:00:00Z"},
            separators=(",", ":"),
        )

    files = DismissalFiles(landing)
    lay("events-1.jsonl", event("a"), event("dismiss", "click"), 'no JSON "dismiss"', event("c"))
    lay("others.jsonl", event("d"))
    os.utime(landing / "events-1.jsonl", (AS_OF.timestamp() + HOUR,) * 2)
    assert list(files.new(newer)) == []
    assert [each.item for each in files.new(older)] == ["a", "c"]
    assert list(files.new(older)) == []
    lay("events-2.jsonl", event("e"))
    assert [each.item for each in files.new(newer)] == ["e"]


def test_files_are_read_in_the_order_they_were_written_in_for_the_last_ones_are_remembered(tmp_path: Path) -> None:
    served = Served(tmp_path)
    landing, bundle = served.home.landing / "http", open_bundle(served.home, served.release_id)
    landing.mkdir(parents=True, exist_ok=True)
    for hours, name in enumerate("cab"):  # names are drawn
        event = {"user_id": "u1", "item_id": name, "event_type": "dismiss", "occurred_at": LATER.isoformat()}
        path = landing / f"events-{name}.jsonl"
        path.write_text(json.dumps({"event_id": name, **event}) + "\n")
        os.utime(path, (LATER.timestamp() + hours * HOUR,) * 2)
    assert [each.item for each in DismissalFiles(landing).new(bundle)] == ["c", "a", "b"]


def test_one_that_repeats_itself_keeps_no_other_from_being_remembered() -> None:
    waiting = LastDismissals(2)
    waiting.extend(Dismissal("u", item, 1.0, 1.0) for item in "abc")
    waiting.extend(Dismissal("u", "c", at, 3.0 - at) for at in (2.0, 0.0, 1.0))
    assert waiting.take() == [Dismissal("u", "b", 1.0, 1.0), Dismissal("u", "c", 2.0, 3.0)]
    assert waiting.take() == []


def test_a_file_that_cannot_be_read_is_told_once_looked_for_again_and_hides_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    served = Served(tmp_path)
    landing, bundle = served.home.landing / "http", open_bundle(served.home, served.release_id)
    landing.mkdir(parents=True, exist_ok=True)
    event = {"user_id": "u1", "item_id": "b", "event_type": "dismiss", "occurred_at": LATER.isoformat()}
    (landing / "events-2.jsonl").write_text(json.dumps(event) + "\n")
    broken = landing / "events-1.jsonl"
    broken.mkdir()
    files = DismissalFiles(landing)
    assert [each.item for each in files.new(bundle)] == ["b"]
    assert [each.item for each in files.new(bundle)] == []
    assert [record.getMessage() for record in caplog.records] == [
        "what was dismissed in landing/http/events-1.jsonl is not known, and is looked for again: Is a directory"
    ]
    broken.rmdir()
    broken.write_text(json.dumps({**event, "item_id": "c"}) + "\n")
    assert [each.item for each in files.new(bundle)] == ["c"]


def test_files_are_read_line_by_line_however_large_they_are(tmp_path: Path) -> None:
    served = Served(tmp_path)
    landing = served.home.landing / "http"
    landing.mkdir(parents=True, exist_ok=True)
    at = LATER.isoformat()
    lines = [
        json.dumps({"event_id": f"{n}", "user_id": f"u{n}", "item_id": "b", "event_type": kind, "occurred_at": at})
        for n in range(20_000)
        for kind in ("click", "dismiss")
    ]
    (landing / "events-1.jsonl").write_text("\n".join(lines))
    size, bundle = (landing / "events-1.jsonl").stat().st_size, open_bundle(served.home, served.release_id)
    tracemalloc.start()
    try:
        count = sum(1 for _ in DismissalFiles(landing).new(bundle))
        assert count == 20_000
        assert tracemalloc.get_traced_memory()[1] < size / 10
    finally:
        tracemalloc.stop()
