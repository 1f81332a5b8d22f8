import pytest

from recs_platform.stages.events.file_names import Fit, fit, is_marker


@pytest.mark.parametrize(
    "path",
    [
        "events-00.jsonl",
        "events_2024-02-01.csv.gz",
        "events.part1.csv",
        "Events (2).CSV",
        "events_20240201T0300.jsonl.zst",
        "events-part-00017-1f6b2c3e-aabb-4c1d-8e2f-0123456789ab.c000.snappy.parquet",
        "events/part-00017.snappy.parquet",
        "events/date=2024-02-01/part-0.parquet",
        "export/2024/events_2024/000000_0.csv",
        "shop/events.csv",
    ],
)
def test_exports_in_parts_and_folders_are_events(path):
    assert fit("events.*", path) is not None


@pytest.mark.parametrize("path", ["users_interactions.csv", "users-settings.csv", "usersfile.csv", "my_users.csv"])
def test_another_word_in_the_name_is_another_file(path):
    assert fit("users.*", path) is None


@pytest.mark.parametrize("path", ["events/_delta_log/0.json", "events/_temporary/0/part-0.csv", "events/_staged.csv"])
def test_what_an_engine_keeps_for_itself_is_no_data(path):
    assert fit("events.*", path) is None


def test_a_pattern_with_a_folder_is_held_against_the_end_of_the_path():
    assert fit("bts/*.csv", "data/BTS/men.csv.gz") is Fit.NAME
    assert fit("bts/*.csv", "random/men.csv") is None


@pytest.mark.parametrize(
    "path", ["_SUCCESS", "events/.part-0.parquet.crc", "Thumbs.db", "__MACOSX/events.csv", "a/_committed_12", "x.crc"]
)
def test_marker_files(path):
    assert is_marker(path)
