"""No value of any type, in any column of any source, stops an ingestion or touches the rows beside it."""

import json
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recs_platform.stages.events import ingest
from recs_platform_tests.connections import shared_connection
from recs_platform_tests.contracts.sources.landed import FIXTURES, NOW, SOURCES, Landed

pytestmark = pytest.mark.trial

TEXTS = [
    "", " ", "0", "-1", "1.5", "2500000", "1e308", "-1e400", "1e-400", "nan", "Infinity", "9" * 40, "-" + "9" * 40,
    "9223372036854775807", "99999999999999", "253402300800", "true", "null", "undefined", "[]", "{}", "[1,2]",
    '{"a":1}', "2024-02-30", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "2024-01-01 00:00:00 Asia/Tokyo",
    "x" * 600, "😀", "'; drop table raw_records; --", "\\", "\u0000".join("ab"), "\u202e", "-infinity", "epoch", "now",
]  # fmt: skip
JSON_VALUES = [
    *TEXTS, None, True, False, 0, -1, 1.5, 2500000, 10**30, 1e308, -1e308, 1e-308, 2**63, -(2**63), [], {}, [None],
    [[]], {"a": {"b": []}}, [{"price": 2500000}, 7, "x"],
]  # fmt: skip
NUMBERS = {
    "bigint": ["0", "-1", "9223372036854775807", "-9223372036854775807 - 1"],
    "integer": ["0", "-1", "2147483647", "-2147483648"],
    "double": ["0", "-1", "1e308", "-1e308", "'nan'", "'inf'", "'-inf'", "1e-320"],
    "timestamp": ["'infinity'", "'-infinity'", "'290000-01-01 00:00:00'", "'0001-01-01 00:00:00'"],
    "boolean": ["true", "false"],
}
LIST_LENGTH = 3


def leaves(value, path=()):
    """Paths of everything within a JSON value, itself included."""
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from leaves(value[key], (*path, key))


def changed(value, path, new):
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(copy[path[0]], path[1:], new)
    return copy


def json_lines(path):
    """Every value of every record in turn replaced by every extreme."""
    records = [
        json.loads(line) for line in path.read_text().splitlines() if line.startswith("{") and line.endswith("}")
    ]
    seen = set()
    for record in records:
        for leaf in leaves(record):
            # The same place of a record of the same kind says nothing new.
            kind = (record.get("event"), record.get("type"), tuple(0 if isinstance(key, int) else key for key in leaf))
            if leaf and kind not in seen:
                seen.add(kind)
                yield from (json.dumps(changed(record, leaf, extreme)) for extreme in JSON_VALUES)


def csv_rows(columns):
    """Every column in turn with every extreme, among plausible values."""
    yield ",".join(columns)
    for column in columns:
        for text in TEXTS:
            values = [text if name == column else "1" for name in columns]
            yield ",".join('"' + value.replace('"', '""') + '"' for value in values)


def extremes_of(dtype):
    """SQL of the extremes of a DuckDB type, the first of them plausible."""
    kind = dtype.lower()
    if kind.endswith("[]"):
        inner = [sql for sql in extremes_of(kind[:-2]) if sql != "null"][:LIST_LENGTH]
        return [f"[{', '.join(inner)}]::{dtype}", f"[]::{dtype}", f"[null]::{dtype}", "null"]
    if kind.startswith("struct"):
        return ["null"]
    if kind in ("varchar", "any"):
        return ["'a'", *("'" + text.replace("'", "''").replace("\0", "") + "'" for text in TEXTS), "null"]
    return [*(f"({value})::{kind}" for value in ["1", *NUMBERS[kind]][kind in ("timestamp", "boolean") :]), "null"]


def write_parquet(con, columns, target):
    plausible = {name: extremes_of(dtype)[0] for name, dtype in columns.items()}
    rows = [
        {**plausible, name: sql} for name, dtype in columns.items() for sql in extremes_of(dtype)
    ]  # fmt: skip
    selects = [
        "select "
        + ", ".join(f'({sql})::{columns[name].replace("any", "varchar")} as "{name}"' for name, sql in row.items())
        for row in rows
    ]
    con.execute(f"copy ({' union all '.join(selects)}) to '{target}' (format parquet)")


def write_extremes(source, folder):
    """A file of extremes for each kind of file of a source; their number."""
    count = 0
    for kind in SOURCES[source].files:
        name = kind.match.replace("*", "x")
        file_format = kind.format_of(name) or "jsonl"
        fixture = next((FIXTURES / source).rglob("*.jsonl"), None)
        target = folder / "p" / "c" / (name if "." in name.removeprefix(".") else f"{name}.jsonl")
        target = target.with_suffix(".jsonl") if name.endswith(".x") else target
        target.parent.mkdir(parents=True, exist_ok=True)
        if file_format == "parquet":
            write_parquet(shared_connection(), kind.columns, target)
        elif file_format == "csv":
            target.write_text("\n".join(csv_rows(list(kind.columns))))
        elif fixture is not None:
            target.write_text("\n".join(json_lines(fixture)))
        else:
            records = [dict.fromkeys(kind.columns, "1") | {key: value} for key in kind.columns for value in JSON_VALUES]
            target.write_text("\n".join(map(json.dumps, records)))
        count += 1
    return count


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_extremes_are_taken_in_or_refused_and_the_neighbour_goes_on(source, tmp_path):
    landed = Landed(tmp_path / "home", source)
    assert write_extremes(source, tmp_path / "raw")
    landed.land(tmp_path / "raw")
    neighbour = landed.home.landing / "contract" / "good" / "events.jsonl"
    neighbour.parent.mkdir(parents=True, exist_ok=True)
    row = {"user_id": "neighbour", "item_id": "i", "event_type": "view", "occurred_at": "2024-02-01"}
    neighbour.write_text(json.dumps(row))
    report = landed.ingest()
    assert report.batch is not None
    assert not [file for file in report.files if file.unreadable]
    landed.ledger()
    assert landed.rows("events", "item_id", "1")
    assert ("neighbour", "i") in landed.rows("events", "user_id, item_id")
    assert all(row[0] for row in landed.rows("quarantine", "reason"))


def test_values_on_which_the_sql_of_a_source_fails_are_refused_one_by_one(tmp_path, monkeypatch):
    landed = Landed(tmp_path, "deskdrop")
    source = SOURCES["deskdrop"]
    sql = source.sql["events"].replace("personid as user_id", "(personid::integer)::varchar as user_id")
    broken = {**SOURCES, "deskdrop": type(source)(**{**vars(source), "sql": {"events": sql}})}
    folder = landed.home.landing / "deskdrop"
    folder.mkdir(parents=True)
    header = "timestamp,eventType,contentId,personId,sessionId,userAgent,userRegion,userCountry\n"
    lines = [f"1700000000,VIEW,c,{person},s,,," for person in ("1", "many", "2", "9" * 12, "3")]
    (folder / "users_interactions.csv").write_text(header + "\n".join(lines))
    ingest(landed.home, landed.lake, broken, shared_connection(), now=NOW, progress=lambda _: None)
    assert landed.rows("events", "user_id", "1") == [("1",), ("2",), ("3",)]
    assert landed.rejected() == [(3, "events", "source_sql_failed"), (5, "events", "source_sql_failed")]
    reason, payload = landed.rows("quarantine", "reason, payload", "line_number")[0]
    assert "many" in reason
    assert json.loads(payload)["personId"] == "many"
    assert landed.ledger() == {"events": (5, 5, 3, 2, 0)}


def test_parquet_columns_in_another_spelling_are_the_same_columns(tmp_path):
    landed = Landed(tmp_path, "contract")
    folder = landed.home.landing / "contract"
    folder.mkdir(parents=True)
    shared_connection().execute(
        "copy (select 42.0::double as User_ID, 7 as \" item_id\", 'View' as EVENT_TYPE, "
        f"timestamp '2024-02-01' as occurred_at, 'kept' as extra) to '{folder / 'events.parquet'}' (format parquet)"
    )
    (folder / "events.csv").write_text(
        " user_id ,Item_Id,event_type,OCCURRED_AT\n42,7,click,2024-02-01\n,7,view,2024-02-01\n"
    )
    (folder / "events.jsonl").write_text(
        '{"USER_ID": 42.0, "item_id": 7, "Event_Type": "like", "occurred_at": "2024-02-01", "extra": [1]}\n'
        '{"USER_ID": [42], "item_id": 7, "Event_Type": "like", "occurred_at": "2024-02-01", "extra": [1]}'
    )
    landed.ingest()
    rows = landed.rows("events", "user_id, item_id, event_type, occurred_at", "event_type")
    instant = datetime(2024, 2, 1, tzinfo=UTC)
    assert rows == [("42", "7", kind, instant) for kind in ("click", "like", "view")]
    rejected = landed.rows("quarantine", "reason_code, payload", "reason_code")
    assert [code for code, _ in rejected] == ["bad_user_id", "missing_user_id"]
    assert json.loads(rejected[0][1]) == {
        "USER_ID": [42], "item_id": 7, "Event_Type": "like", "occurred_at": "2024-02-01", "extra": [1],
    }  # fmt: skip
    assert json.loads(rejected[1][1]) == {
        " user_id ": "", "Item_Id": "7", "event_type": "view", "OCCURRED_AT": "2024-02-01",
    }  # fmt: skip


def test_a_column_named_twice_refuses_a_table_but_of_json_lines_the_record(tmp_path):
    landed = Landed(tmp_path, "contract")
    folder = landed.home.landing / "contract"
    folder.mkdir(parents=True)
    (folder / "events.csv").write_text("user_id,User_ID,item_id,event_type,occurred_at\n1,2,3,view,2024-02-01\n")
    rest = '"item_id":3,"event_type":"view","occurred_at":"2024-02-01"}'
    records = [f'{{"user_id":1,"USER_ID":2,{rest}', f'{{"user_id":"a",{rest}', f'{{"USER_ID":"b",{rest}']
    (folder / "events.jsonl").write_text("\n".join(records))
    files = {file.source_file: file.unreadable for file in landed.ingest().files}
    assert files == {
        "contract/events.csv": "the file names a column twice: user_id, User_ID",
        "contract/events.jsonl": None,
    }
    assert landed.rows("events", "user_id", "1") == [("a",), ("b",)]
    assert ("column_twice",) in landed.rows("quarantine", "reason_code")


def test_a_long_value_in_a_refused_row_and_a_nul_in_a_header_stop_nothing(tmp_path):
    landed = Landed(tmp_path, "contract")
    folder = landed.home.landing / "contract"
    (folder / "nul").mkdir(parents=True)
    header = "user_id,item_id,event_type,occurred_at,referrer\n"
    (folder / "events.csv").write_text(header + "u,i,view,2024-02-01,\nu,i,BAD,2024-02-01," + "x" * 140_000 + "\n")
    (folder / "nul" / "events.csv").write_text(header.replace("user", "us\0er") + "u,i,view,2024-02-01,\n")
    files = {file.source_file: file.unreadable for file in landed.ingest().files}
    assert files["contract/events.csv"] is None
    assert "lacks user_id" in str(files["contract/nul/events.csv"])
    assert landed.rows("events", "user_id") == [("u",)]
    assert len(landed.rows("quarantine", "payload", "length(payload) desc")[0][0]) > 140_000


def test_a_line_separator_in_a_value_is_part_of_its_payload(tmp_path):
    landed = Landed(tmp_path, "contract")
    folder = landed.home.landing / "contract"
    folder.mkdir(parents=True)
    (folder / "events.csv").write_text("user_id,item_id,event_type,occurred_at\nu\u2028z,i,BAD,2024-02-01\n")
    landed.ingest()
    ((payload,),) = landed.rows("quarantine", "payload")
    assert json.loads(payload)["user_id"] == "u\u2028z"


def test_twins_of_a_column_are_refused_in_parquet_and_in_a_record(tmp_path):
    landed = Landed(tmp_path, "contract")
    folder = landed.home.landing / "contract"
    folder.mkdir(parents=True)
    table = pa.table([["u"], ["v"], ["i"], ["view"], ["2024-02-01"]],
                     names=["user_id", "User_ID", "item_id", "event_type", "occurred_at"])  # fmt: skip
    pq.write_table(table, folder / "events.parquet")
    rest = '"item_id":"i","event_type":"view","occurred_at":"2024-02-01"}'
    (folder / "events.jsonl").write_text(f'{{"user_id":"a","user_id":"b",{rest}\n{{"user_id":"c",{rest}\n')
    files = {file.source_file: file.unreadable for file in landed.ingest().files}
    assert "names a column twice: user_id, User_ID" in str(files["contract/events.parquet"])
    assert landed.rows("events", "user_id") == [("c",)]
    assert (1, "events", "column_twice") in landed.rejected()


@pytest.mark.parametrize(
    "call",
    [
        {"traits": {"consent": False}},
        {"traits": {"consent": "denied"}},
        {"traits": {"consentPersonalization": False}},
        {"traits": {"consent": {"Personalization": True, "personalization": "opt_out"}}},
        {"context": {"traits": {"consent_personalization": "no"}}},
        {"context": {"consent": {"categoryPreferences": {"PERSONALISATION": False}}}},
        {"traits": {"consent_personalization": True}, "context": {"traits": {"consent": False}}},
    ],
)
def test_a_refusal_of_consent_is_heard_wherever_it_is_said(tmp_path, call):
    landed = Landed(tmp_path, "segment")
    folder = landed.home.landing / "segment"
    folder.mkdir(parents=True)
    said = {"type": "identify", "userId": " u ", "timestamp": "2024-02-01T00:00:00Z", "messageId": "m", **call}
    (folder / "calls.jsonl").write_text(json.dumps(said))
    landed.ingest()
    assert landed.rows("consents", "user_id, purpose, granted") == [("u", "personalization", False)]


def test_a_consent_that_cannot_be_read_is_refused_aloud(tmp_path):
    landed = Landed(tmp_path, "segment")
    folder = landed.home.landing / "segment"
    folder.mkdir(parents=True)
    said = {"type": "identify", "userId": "u", "timestamp": "2024-02-01", "traits": {"consent": "perhaps"}}
    (folder / "calls.jsonl").write_text(json.dumps(said))
    landed.ingest()
    assert (1, "consents", "bad_granted") in landed.rejected()


def test_purposes_are_known_in_either_spelling(tmp_path):
    landed = Landed(tmp_path, "contract")
    folder = landed.home.landing / "contract"
    folder.mkdir(parents=True)
    (folder / "consents.csv").write_text("user_id,purpose,granted,occurred_at\nu,Personalisation,Denied,2024-02-01\n")
    landed.ingest()
    assert landed.rows("consents", "purpose, granted") == [("personalization", False)]
