"""Text files of other makers are read as what they are, or rejected whole."""

import json

import pytest

from recs_platform.stages.events.archives import UnreadableFileError
from recs_platform.stages.events.texts import as_plain_text

LINES = '{"a":1}\n{"a":"é"}\n'


def plain(tmp_path, content, file_format="jsonl"):
    path = tmp_path / "file"
    path.write_bytes(content)
    return as_plain_text(path, file_format, tmp_path / "text").read_bytes().decode()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("file_format", ["csv", "jsonl"])
def test_encodings(tmp_path, encoding, file_format):
    assert plain(tmp_path, LINES.encode(encoding), file_format) == LINES


@pytest.mark.parametrize(
    "document",
    [
        '[{"a":1},{"a":"é"}]',
        '\n[\n{"a":1},\n{"a":"é"}\n]\n',
        json.dumps([{"a": 1}, {"a": "é"}], indent=2),
        '{\n"a":1}\n{"a":\n"é"}',
        '{\n"a":1},\n{"a":\n"é"}',
    ],
)
def test_a_json_document_is_taken_apart(tmp_path, document):
    objects = [json.loads(line) for line in plain(tmp_path, document.encode()).splitlines()]
    assert objects == [{"a": 1}, {"a": "é"}]


def test_values_keep_their_text(tmp_path):
    assert plain(tmp_path, b'[{"id": 1e16, "n": 42.0, "t": "a\\nb"}]') == '{"id": 1e16, "n": 42.0, "t": "a\\nb"}\n'


@pytest.mark.parametrize(
    "content", ["[1, 2]", '[{"a":1}', '{"a":1}}\n', '[{"a":1},,{"a":2}]', '{"a":', '{"a":\n{"a":1}\n', '[1]\n{"a":1}\n']
)
def test_what_is_no_document_is_left_to_its_lines(tmp_path, content):
    assert plain(tmp_path, content.encode()) == content


@pytest.mark.parametrize("content", ['[\n{"a":1},\n{"a":', '{\n"a": 1\n', '[\n{"a":1},\n5\n]', "[\n{'a':1}\n]"])
def test_a_document_that_ends_early_is_refused_whole(tmp_path, content):
    with pytest.raises(UnreadableFileError, match="one object a line"):
        plain(tmp_path, content.encode())


def test_utf_32_is_refused_whole(tmp_path):
    with pytest.raises(UnreadableFileError, match="UTF-32"):
        plain(tmp_path, "a".encode("utf-32"))


def test_a_mark_that_lies_refuses_the_file(tmp_path):
    with pytest.raises(UnreadableFileError, match="write UTF-8"):
        plain(tmp_path, b"\xff\xfea\x00b")


def test_a_file_that_is_plain_is_not_copied(tmp_path):
    path = tmp_path / "file"
    path.write_text(LINES)
    assert as_plain_text(path, "jsonl", tmp_path / "text") == path
