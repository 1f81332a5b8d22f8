"""Settings come from the home they are of, then from the environment, and a wrong one is named."""

from pathlib import Path
from typing import get_args

import pytest
from pydantic.fields import FieldInfo

from recs_platform.contracts.errors import UsageError
from recs_platform.settings import Settings, read_settings, setting_fields
from recs_platform.stages.retrieval import SOURCES


def test_a_home_is_read_with_its_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name, k in (("one", 5), ("two", 7)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "recs.toml").write_text(f"k = {k}\n")
    monkeypatch.setenv("RECS_HOME", str(tmp_path / "two"))
    assert Settings(home=tmp_path / "one").k == 5
    assert read_settings().k == 7


def test_the_environment_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "recs.toml").write_text("k = 5\n[publish]\nas_ofs_max = 3\n")
    monkeypatch.setenv("RECS_HOME", str(tmp_path))
    monkeypatch.setenv("RECS_K", "8")
    monkeypatch.setenv("RECS_PUBLISH__AS_OFS_MAX", "4")
    assert (read_settings().k, read_settings().publish.as_ofs_max) == (8, 4)


@pytest.mark.parametrize("line", ["k = 0", "no_such_field = 1", "k = ["])
def test_a_wrong_setting_is_a_usage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str):
    (tmp_path / "recs.toml").write_text(line + "\n")
    monkeypatch.setenv("RECS_HOME", str(tmp_path))
    with pytest.raises(UsageError):
        read_settings()


def test_a_folder_that_readers_would_take_for_a_column_is_no_place_for_a_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RECS_HOME", str(tmp_path / "device=eu" / "home"))
    with pytest.raises(UsageError, match=r"RECS_HOME: .*a folder called 'device=eu'"):
        read_settings()


def _is_without_an_end(field: FieldInfo) -> bool:
    """Whether a number has no least or no greatest value."""
    if not {field.annotation, *get_args(field.annotation)} & {int, float}:
        return False
    rules = {
        rule for each in field.metadata for rule in ("ge", "gt", "le", "lt") if getattr(each, rule, None) is not None
    }
    return not rules & {"ge", "gt"} or not rules & {"le", "lt"}


def test_every_setting_has_a_reason() -> None:
    assert [name for name, field in setting_fields() if not field.description] == []


def test_every_number_has_a_least_and_a_greatest_value():
    fields = [
        *setting_fields(),
        *(
            pair
            for source in SOURCES
            for pair in setting_fields(type(source.config), f"retrieval.sources.{source.name}.")
        ),
    ]
    assert [name for name, field in fields if _is_without_an_end(field)] == []


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("memory_limit_gb = 0.0001", "recs.toml:1: memory_limit_gb = 0.0001: "),
        ("memory_limit_gb = 0.0001", "it must be at least 0.5 and at most 100000"),
        ("memory_limit_gb = inf", "finite"),
        ("k = 'many'", "k = 'many'"),
        ("\nmemory_limit = 4", "recs.toml:2: memory_limit is no such field; did you mean 'memory_limit_gb'?"),
        ("[outliers]\nz_mx = 4", "recs.toml:2: outliers.z_mx is no such field; did you mean 'z_max'?"),
        ("[privacy]\nretention_days = 0", "privacy.retention_days = 0"),
        ("[retrieval]\nquotas = {als = -1}", "retrieval.quotas.als = -1"),
        ("[retrieval.cold]\norder = [['als']]\npositives_max = -1", "recs.toml:3: retrieval.cold.positives_max = -1: "),
        ("[retrieval]\ncold.order = [['content'], ['als', 'content']]", "more than once: ['content']"),
        ("[retrieval]\ncold.order = ['content']", "recs.toml:2: retrieval.cold.order.0 = 'content': "),
        (
            "[retrieval.segments.powr]\noff = ['als']",
            "recs.toml:1: retrieval.segments.powr: is no segment of segments.",
        ),
        ("[retrieval.segments.powr]\noff = ['als']", "did you mean 'power'?"),
        ("[exploration]\nslots = 20", "recs.toml:2: exploration.slots: 20 places are more than the 10 of a list"),
        (
            "[exploration]\nslots = 3\ncandidates = 2",
            "recs.toml:3: exploration.candidates: 2 items cannot fill 3 slots",
        ),
        ("home = '/elsewhere'", "recs.toml: home: RECS_HOME alone names the home; take the line out"),
        ("[retrieval.segments.new]\nquotas = {als = -1}", "recs.toml:2: retrieval.segments.new.quotas.als = -1: "),
        ("[retrieval.segments.new]\non = ['als']", "recs.toml:2: retrieval.segments.new.on is no such field; "),
        ("[publish]\nas_ofs_max = 3\n[segments]\nmin_share = 3", "recs.toml:4: segments.min_share = 3: "),
        ("k = 3\nseed = 1\nretrieval.quotas.k = -3", "recs.toml:3: retrieval.quotas.k = -3: "),
        ("k = [", "is not TOML"),
    ],
)
def test_a_wrong_one_is_named_with_file_value_range_and_nearest_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toml: str, said: str
):
    (tmp_path / "recs.toml").write_text(toml + "\n")
    monkeypatch.setenv("RECS_HOME", str(tmp_path))
    with pytest.raises(UsageError) as error:
        read_settings()
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("RECS_K", "0", "RECS_K: k = '0'"),
        ("RECS_MEMORY_LIMIT", "4", "RECS_MEMORY_LIMIT is no setting; did you mean 'RECS_MEMORY_LIMIT_GB'?"),
        ("RECS_OUTLIERS__Z_MAX", "-1", "RECS_OUTLIERS__Z_MAX: outliers.z_max = '-1'"),
    ],
)
def test_a_wrong_variable_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
):
    monkeypatch.setenv("RECS_HOME", str(tmp_path))
    monkeypatch.setenv(variable, value)
    with pytest.raises(UsageError) as error:
        read_settings()
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            "[experiments.home.variants]\ncontrol.weight = 0.5\nb.weight = 0.4\n",
            "recs.toml: experiments.home = .* add up to 0.9",
        ),
        ("[experiments.home]\ncoverage = 1.5\nvariants = {}\n", "recs.toml:2: experiments.home.coverage = 1.5"),
        ("[experiments.home.variants]\na.weight = 0.5\na.weight = 0.5\n", "is not TOML"),
    ],
)
def test_a_wrong_experiment_is_named_with_its_file_and_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: str, said: str
):
    (tmp_path / "recs.toml").write_text(lines)
    monkeypatch.setenv("RECS_HOME", str(tmp_path))
    with pytest.raises(UsageError, match=said):
        read_settings()
