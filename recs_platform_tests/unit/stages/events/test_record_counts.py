import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recs_platform.stages.events.record_counts import scan_text


def scan(tmp_path, content, *, quoted):
    path = tmp_path / "file"
    path.write_bytes(content)
    return scan_text(path, quoted=quoted)


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n", b"\n\n"])
def test_the_last_line_counts_once_whatever_ends_it(tmp_path, ending):
    assert scan(tmp_path, b"a\nb" + ending, quoted=True).records == 2


def test_a_line_end_within_quotes_belongs_to_the_value_and_a_quote_within_a_value_opens_nothing(tmp_path):
    layout = scan(tmp_path, b'h,i\n"one\ntwo ""three""\n",1\n5" pipe,2\n\nlast,"3"\n', quoted=True)
    assert layout.records == 4
    assert list(layout.continued) == [3, 4]
    # header, the quoted record and the pipe come before the blank line
    assert list(layout.blank) == [4]


def test_white_space_is_a_record_of_a_csv_and_none_of_jsonl(tmp_path):
    assert scan(tmp_path, b"a\n  \nb\n", quoted=True).records == 3
    assert scan(tmp_path, b"a\n  \nb\n", quoted=False).records == 2


def test_quotes_of_json_mean_nothing_to_lines(tmp_path):
    assert scan(tmp_path, b'{"a": "x\n{"b": 1}\n', quoted=False).records == 2


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(st.text('ab," \n\r', max_size=4), st.text('cd,"\n', max_size=4)), max_size=20))
def test_counts_what_the_csv_writer_wrote(tmp_path_factory, rows):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    layout = scan(tmp_path_factory.mktemp("csv"), text.getvalue().encode(), quoted=True)
    assert layout.records == len(rows)
