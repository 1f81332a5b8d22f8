"""Contradictions in rules and surfaces are refused with file, line and field; segments are those of the model."""

from pathlib import Path

import pytest
import yaml

from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.rule_faults import SEGMENT_IDS
from recs_platform.settings import read_settings

MODEL = Path(__file__).parents[3] / "dbt_like_sql" / "models" / "segments" / "user_segments.yml"


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ('[rules.pinned]\nenabled = true\nitems = [{ item_id = "a", place = 11 }]', "place 11 of a list of 10"),
        (
            '[rules.pinned]\nenabled = true\nitems = [{ item_id = "a", place = 1 }, { item_id = "b", place = 1 }]',
            "hold on the same days",
        ),
        ("[rules.quotas]\nenabled = true\ncategory_min = { a = 6, b = 5 }", "asks for 11 items in all"),
        ("[rules.quotas]\nenabled = true\ncategory_min = { a = 7 }", "at most 6 are allowed"),
        ("[rules.dpp]\nenabled = true\n[rules.blend]\nenabled = true", "dpp and blend each make the whole order"),
        ("[rules.quota]\nenabled = true", "rules.quota is no such field"),
        ("[rules.dpp.segments.newcomers]\nenabled = true", "is no segment of segments.user_segments"),
        ("[rules.dpp.segments.newcomer]\nstrengt = 1", "segments.newcomer.strengt"),
        ("[surfaces.email]\nrules.dppp = { enabled = true }", "surfaces.email.rules.dppp: is no such rule"),
        ("[surfaces.email]\nrules.dpp = { strength = 2 }", "surfaces.email.rules.dpp.strength"),
        ("[surfaces.email]\npersonal = false", "needs a board"),
        (
            '[rules.pinned]\nenabled = true\nitems = [{ item_id = "a", place = 5 }]\n[surfaces.email]\nk = 3',
            "does not fit here",
        ),
        ("[surfaces.default]\nk = 5", "surfaces.default: 'default' is the list that is no surface's"),
        ("[rules.blend]\nenabled = true\nrelevance = 0", "rules.blend: every weight is 0"),
        ("rules = 3", "rules = 3: it must be a table of settings"),
        ("[surfaces]\nemail = 5", "surfaces.email = 5: it must be a table of settings"),
        ('[surfaces.email]\ncategories = ["a"]\nwithout_categories = ["a"]', "asked for and left out"),
    ],
)
def test_what_cannot_be_met_is_refused(toml: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "recs.toml").write_text(toml + "\n")
    monkeypatch.setenv("RECS_HOME", str(tmp_path))
    with pytest.raises(UsageError, match=r"recs\.toml(:\d+)?: ") as error:
        read_settings()
    assert told in str(error.value)


def test_the_segments_are_those_of_the_model():
    columns = yaml.safe_load(MODEL.read_text())["models"][0]["columns"]
    tests = next(column["data_tests"] for column in columns if column["name"] == "segment_id")
    values = next(test["accepted_values"]["values"] for test in tests if isinstance(test, dict))
    assert tuple(values) == SEGMENT_IDS
