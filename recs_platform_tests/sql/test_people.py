"""Whose an event is, what a visit is and who opted out, against plain loops over small random logs."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import PERSONALIZATION

FIRST = datetime(2020, 1, 1, tzinfo=UTC)
IDS = ["a", "b", "c", "d"]
AS_OF_HOUR, LATER_HOUR, KNOWN_HOUR = 24, 48, 60
GAP_US = 30 * 60_000_000
QUICK = settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])

Link = tuple[str, str, int, int]  # id, user, hour it holds from, hours until it was learned
Statement = tuple[str, bool, int, int]
hours = st.integers(0, 50)
delays = st.sampled_from([0, 0, 0, 100])
links_of = st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(IDS), hours, delays), max_size=8)
statements_of = st.lists(st.tuples(st.sampled_from(IDS), st.booleans(), hours, delays), max_size=5)
events_in = st.lists(st.tuples(st.sampled_from(IDS), hours), min_size=1, max_size=12)


def at(hour: float) -> datetime:
    return FIRST + timedelta(hours=hour)


def log(events_of, events, links: list[Link], statements: list[Statement] = ()) -> dict[str, pl.DataFrame]:
    users, moments = zip(*events, strict=True)
    count = len(events)
    rows = events_of(
        users=users,
        items=[f"i{code % 3}" for code in range(count)],
        types=["view"] * count,
        seconds=[int(hour * 3600) for hour in moments],
        rng=np.random.default_rng(1),
    )
    return {
        "raw.events": rows.with_columns(pl.lit(None, pl.String).alias(c.SESSION_ID)),
        "raw.ingestions": pl.DataFrame({c.FILE_HASH: ["f"], c.CONTRACT_TABLE: ["events"]}),
        "raw.identities": pl.DataFrame(
            [(anonymous, user, at(since), at(since + delay), "f") for anonymous, user, since, delay in links],
            schema={
                c.ANONYMOUS_ID: pl.String, c.USER_ID: pl.String, c.VALID_FROM: pl.Datetime("us", "UTC"),
                c.INGESTED_AT: pl.Datetime("us", "UTC"), c.FILE_HASH: pl.String,
            },
            orient="row",
        ),
        "raw.consents": pl.DataFrame(
            [(user, PERSONALIZATION, granted, at(hour), at(hour + delay)) for user, granted, hour, delay in statements],
            schema={
                c.USER_ID: pl.String, c.PURPOSE: pl.String, c.GRANTED: pl.Boolean,
                c.OCCURRED_AT: pl.Datetime("us", "UTC"), c.INGESTED_AT: pl.Datetime("us", "UTC"),
            },
            orient="row",
        ),
    }  # fmt: skip


def follow(links: list[Link], anonymous: str, hour: int) -> str:
    """One step: the latest link by then, else the earliest there is, else the id itself."""
    mine = [(since, user) for start, user, since, _ in links if start == anonymous]
    if not mine:
        return anonymous
    past = [since for since, _ in mine if since <= hour]
    chosen = max(past) if past else min(since for since, _ in mine)
    return min(user for since, user in mine if since == chosen)


def person(links: list[Link], anonymous: str, hour: int) -> str:
    """The last id of the links, or the least of those that lead back to one another."""
    passed = [anonymous]
    while (reached := follow(links, passed[-1], hour)) not in passed:
        passed.append(reached)
    return min(passed[passed.index(reached) :])


def known(links: list[Link], as_of: int | None, known_at: int | None) -> list[Link]:
    return [
        link
        for link in links
        if (as_of is None or link[2] < as_of) and (known_at is None or link[2] + link[3] <= known_at)
    ]


def opted_out(links: list[Link], statements: list[Statement]) -> set[str]:
    persons: set[str] = set()
    resolutions: list[list[Link]] = []
    for known_at in (KNOWN_HOUR, None):
        usable = known(links, None, known_at)
        resolutions.append(usable)
        said: dict[str, list[tuple[int, bool]]] = {}
        for user, granted, hour, delay in statements:
            if known_at is None or hour + delay <= known_at:
                said.setdefault(person(usable, user, hour), []).append((hour, not granted))
        persons |= {who for who, what in said.items() if max(what)[1]}
    moments = sorted({hour for _, _, since, _ in links for hour in (since - 1, since)})
    theirs = {
        anonymous
        for usable in resolutions
        for anonymous, *_ in usable
        for moment in moments
        if person(usable, anonymous, moment) in persons
    }
    return persons | theirs


def run_at(run_of, rows, as_of: int):
    return run_of(rows, as_of=at(as_of), known_at=at(KNOWN_HOUR))


@QUICK
@given(events=events_in, links=links_of)
def test_an_event_belongs_to_whom_plain_loops_say(run_of, events_of, events, links):
    rows = log(events_of, events, links)
    for as_of in (AS_OF_HOUR, LATER_HOUR):
        found = run_at(run_of, rows, as_of).frame("staging.stg_resolved_events", [c.EVENT_ID, c.USER_ID])
        usable = known(links, as_of, KNOWN_HOUR)
        assert dict(found.rows()) == {
            f"e{code}": person(usable, user, hour) for code, (user, hour) in enumerate(events) if hour < as_of
        }


@QUICK
@given(events=events_in, links=links_of)
def test_a_later_login_never_changes_an_earlier_as_of(run_of, events_of, events, links):
    before = [link for link in links if link[2] < AS_OF_HOUR]
    tables = ("staging.stg_resolved_events", "staging.stg_events", "staging.stg_users", "staging.stg_sessions")
    one = run_at(run_of, log(events_of, events, links), AS_OF_HOUR)
    other = run_at(run_of, log(events_of, events, before), AS_OF_HOUR)
    for table in tables:
        assert one.frame(table, ordered=True).equals(other.frame(table, ordered=True)), table


@QUICK
@given(events=events_in, links=links_of, statements=statements_of)
def test_whoever_withdrew_is_opted_out_under_every_id(run_of, events_of, events, links, statements):
    run = run_at(run_of, log(events_of, events, links, statements), AS_OF_HOUR)
    expected = opted_out(links, statements)
    assert set(run.frame("staging.stg_opted_out")[c.USER_ID]) == expected
    resolved = run.frame("staging.stg_resolved_events")
    kept = resolved.filter(~pl.col(c.USER_ID).is_in(list(expected)))
    assert set(run.frame("staging.stg_events")[c.EVENT_ID]) == set(kept[c.EVENT_ID])
    consumed = resolved.select(c.USER_ID, c.ITEM_ID).unique()
    assert set(run.frame("staging.stg_consumed").rows()) == set(consumed.rows())
    users = run.frame("staging.stg_users")
    assert dict(users.select(c.USER_ID, "is_opted_out").rows()) == {
        user: user in expected for user in resolved[c.USER_ID]
    }


@QUICK
@given(
    moments=st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 23 * 60), st.sampled_from([None, None, "s"])),
        min_size=1,
        max_size=15,
    )
)
def test_visits_are_what_plain_loops_say(run_of, events_of, moments):
    rows = log(events_of, [(user, 0) for user, *_ in moments], [])
    rows["raw.events"] = rows["raw.events"].with_columns(
        pl.Series(c.OCCURRED_AT, [FIRST + timedelta(minutes=minute) for _, minute, _ in moments]),
        pl.Series(c.SESSION_ID, [name for *_, name in moments], pl.String),
    )
    run = run_at(run_of, rows, AS_OF_HOUR)
    start: dict[str, int] = {}
    last: dict[str, int] = {}
    expected: dict[str, tuple[str, str | None, int | None]] = {}
    first_us = round(FIRST.timestamp() * 1_000_000)
    order = sorted(
        (first_us + minute * 60_000_000, f"e{code}", user, name) for code, (user, minute, name) in enumerate(moments)
    )
    for moment, event, user, name in order:
        if name is None:
            if user not in last or moment - last[user] > GAP_US:
                start[user] = moment
            last[user] = moment
        expected[event] = (user, name, start[user] if name is None else None)
    key = [c.USER_ID, "source_session_id", "gap_started_us"]
    found = run.frame("staging.stg_sessions", [c.EVENT_ID, *key])
    assert {event: tuple(session) for event, *session in found.rows()} == expected
    sessions = run.frame("staging.stg_user_sessions", [*key, "event_count"])
    assert {tuple(session): count for *session, count in sessions.rows()} == Counter(expected.values())


def test_visits_that_the_source_does_not_name_are_counted(run_of, events_of):
    events = [("a", 0), ("a", 0.5), ("a", 1.25), ("b", 0)]
    users = run_at(run_of, log(events_of, events, []), AS_OF_HOUR).frame("features.user_features")
    assert dict(users.select(c.USER_ID, "session_count").rows()) == {"a": 2, "b": 1}


def test_of_a_user_who_opted_out_features_know_no_more_than_of_one_never_seen(run_of, events_of):
    events = [("a", 1), ("a", 2), ("b", 3), ("c", 4)]
    rows = log(events_of, events, [], [("a", False, 1, 0)])
    rows["raw.user_history"] = pl.DataFrame(
        {c.USER_ID: ["never_seen", "a"], c.COUNTRY: [None, "se"], c.VALID_FROM: [FIRST, FIRST]}
    )
    users = run_at(run_of, rows, AS_OF_HOUR).frame("features.user_features").sort(c.USER_ID)
    found = {row.pop(c.USER_ID): row for row in users.to_dicts()}
    assert found["a"] == found["never_seen"]
    without = {**rows, "raw.events": rows["raw.events"].filter(pl.col(c.USER_ID) != "a")}
    others = run_at(run_of, without, AS_OF_HOUR)
    for table in ("features.user_features", "features.item_features", "segments.user_segments"):
        expected = run_at(run_of, rows, AS_OF_HOUR).frame(table, ordered=True)
        assert others.frame(table, ordered=True).equals(expected), table


def test_a_long_chain_ends_at_its_last_id_and_costs_no_more_than_its_length(run_of, events_of):
    """128 links are followed; a file of thousands in a row must not hold up a build."""
    links = [(f"p{number:04}", f"p{number + 1:04}", 1, 0) for number in range(1500)]
    run = run_at(run_of, log(events_of, [("p1400", 2)], links), AS_OF_HOUR)
    ends = run.frame("staging.stg_identities", ["anonymous_id", "user_id"]).unique()
    found = dict(ends.rows())
    assert found["p1400"] == found["p1499"] == "p1500"
    assert len(found) == 1500
