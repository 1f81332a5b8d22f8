import pytest

from recs_platform.stages.events.archives import UnreadableFileError
from recs_platform.stages.events.reading import read_records
from recs_platform.stages.events.records import Scratch
from recs_platform.stages.events.sources import SourceFile
from recs_platform.warehouse.connection import connect

CSV = SourceFile(match="f.csv", format="csv", columns={"a": "varchar", "b": "varchar"}, tables=("events",))
JSONL = SourceFile(match="f.jsonl", columns={"a": "any", "n": "bigint", "l": "varchar[]"}, tables=("events",))


@pytest.fixture
def con():
    with connect(memory_limit_gb=1, threads=2) as connection:
        yield connection


def read(con, tmp_path, kind, content):
    path = tmp_path / kind.match
    path.write_bytes(content)
    (tmp_path / "scratch").mkdir(exist_ok=True)
    scratch = Scratch(tmp_path / "scratch")
    records = read_records(con, path, kind, kind.format_of(path.name), scratch, "s/f").records
    parsed = con.execute("select * exclude (source_file) from raw_records order by line_number").fetchall()
    unparsed = con.execute("select line_number, reason_code, payload from unparsed order by line_number").fetchall()
    assert records == len(parsed) + len(unparsed)
    return parsed, unparsed


def test_csv_records_keep_their_true_line_among_blank_ragged_and_many_line_ones(con, tmp_path):
    many = b'"3\r\nand\r\nmore",0,three\r\n'
    content = b"b,x,a\r\n1,0,one\r\n\r\nragged,2\r\n" + many + b"4,0,four,9\r\n5,0,five\r\n\xff\xfe,0,six\r\n7,0,\r\n"
    parsed, unparsed = read(con, tmp_path, CSV, content)
    assert parsed == [(2, "one", "1"), (5, "three", "3\r\nand\r\nmore"), (9, "five", "5"), (11, None, "7")]
    assert [(line, code) for line, code, _ in unparsed] == [
        (4, "missing_columns"),
        (8, "too_many_columns"),
        (10, "invalid_encoding"),
    ]
    assert unparsed[0][2] == "ragged,2"


def test_a_jsonl_file_without_faults_and_one_with_faults_read_the_same_records(con, tmp_path):
    good = b'{"a": 1, "n": 2, "l": ["x", "y"]}\n\n{"a": "\\u00e9", "n": "3"}\n{"a": {"deep": true}, "other": 1}\n'
    clean, nothing = read(con, tmp_path, JSONL, good)
    assert nothing == []
    assert clean == [(1, "1", 2, ["x", "y"]), (3, "é", 3, None), (4, '{"deep":true}', None, None)]
    faulty, rejected = read(con, tmp_path, JSONL, good + b'{"a": \n[1]\n{}\nnonsense')
    assert faulty == [*clean, (7, None, None, None)]
    assert rejected == [(5, "bad_json", '{"a": '), (6, "bad_json", "[1]"), (8, "bad_json", "nonsense")]


def test_a_value_of_another_type_than_declared_is_set_aside_not_blanked(con, tmp_path):
    parsed, unparsed = read(con, tmp_path, JSONL, b'{"a": "x", "n": "many"}\n{"a": "y", "n": 1, "l": "z"}\n{"n": 5}\n')
    assert parsed == [(3, None, 5, None)]
    assert [(line, code) for line, code, _ in unparsed] == [(1, "bad_n"), (2, "bad_l")]


def test_an_object_over_two_lines_costs_only_its_lines(con, tmp_path):
    parsed, unparsed = read(con, tmp_path, JSONL, b'{"a": "y"}\n{"a":\n"x"}\n')
    assert [row[:2] for row in parsed] == [(1, "y")]
    assert [row[0] for row in unparsed] == [2, 3]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"a,b\n"])
def test_a_file_without_records_has_none(con, tmp_path, content):
    assert read(con, tmp_path, CSV, content) == ([], [])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a,c\n1,2\n", "lacks b; it has a, c"),
        (b"a,b,A\n1,2,3\n", "twice"),
        (b"\xffa\n1", "header cannot be read"),
        (b"\xff\xfea\n1", "begins like utf-16 and is not"),
    ],
)
def test_a_wrong_header_refuses_the_whole_file_in_a_sentence(con, tmp_path, content, sentence):
    with pytest.raises(UnreadableFileError, match=sentence):
        read(con, tmp_path, CSV, content)


def test_a_byte_order_mark_is_no_part_of_the_first_name(con, tmp_path):
    assert read(con, tmp_path, CSV, b"\xef\xbb\xbfa,b\n1,2\n")[0] == [(2, "1", "2")]


def test_parquet_brings_its_own_types_and_declared_but_absent_columns_are_null(con, tmp_path):
    kind = SourceFile(
        match="f.parquet", columns={"n": "any", "t": "varchar", "z": "integer"}, required=("n",), tables=("events",)
    )
    con.execute(f"copy (select 7::bigint as n, 5 as t union all select 8, 6) to '{tmp_path / 'f.parquet'}'")
    parsed, _ = read(con, tmp_path, kind, (tmp_path / "f.parquet").read_bytes())
    assert parsed == [(1, 7, "5", None), (2, 8, "6", None)]


def test_a_damaged_parquet_file_is_unreadable(con, tmp_path):
    kind = SourceFile(match="f.parquet", columns={"n": "any"}, tables=("events",))
    with pytest.raises(UnreadableFileError, match="not a readable parquet file"):
        read(con, tmp_path, kind, b"PAR1 and nothing more PAR1")
