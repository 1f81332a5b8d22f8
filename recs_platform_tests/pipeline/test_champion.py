"""Which ranker serves: the gate's word, an operator's word against it, and what neither may let serve."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import RecsError
from recs_platform.contracts.manifests import Manifest
from recs_platform.lake.artifacts import artifact, write_artifact, write_manifest
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.build_records import build_settings, read_basis
from recs_platform.pipeline.questions import rankers
from recs_platform.pipeline.questions.rankers import compare_rankers, list_rankers, sealed_ranker
from recs_platform.pipeline.training import champion
from recs_platform.pipeline.training.champion import Promotion, decide_champion
from recs_platform.pipeline.training.rankers import BASIS, ranker_basis
from recs_platform.pipeline.training.recipes import find_ranker
from recs_platform.pipeline.training.schedule import training_schedule
from recs_platform.pipeline.training.window_cache import WindowCache
from recs_platform.stages import ranking
from recs_platform.stages.ranking import Override, write_override
from recs_platform.stages.releases import current_release
from recs_platform_tests.homes import Built, copy_home
from recs_platform_tests.matches import drawn_match

TRIED = {"training": {"windows_min": 2, "positives_min": 1, "trials": 2}}


@dataclass(frozen=True)
class House:
    """A home with a release, a day later, under settings that make another recipe than the champion's."""

    run: AsOfRun
    incumbent: Manifest
    challenger: Manifest

    def decide(self) -> Promotion:
        return decide_champion(WindowCache(self.run, lambda _: None), training_schedule(self.run), lambda _: None)

    def say(self, action: str, version: str | None, serves_until: datetime | None = None) -> None:
        said = {"action": action, "version": version, "reason": "a test", "at": self.run.known_at}
        override = Override.model_validate(said | {"serves_until": serves_until})
        write_override(self.run.platform.home.artifacts, override)


@pytest.fixture(scope="module")
def made(built: Built, tmp_path_factory: pytest.TempPathFactory) -> House:
    platform = copy_home(built.platform, tmp_path_factory.mktemp("gate") / "home", **TRIED)
    run = AsOfRun(platform, built.as_of + timedelta(days=1), current_release(platform.home).sealed_at)
    serving = find_ranker(run, current_release(platform.home).parameters[c.RANKER_VERSION])
    assert serving is not None
    # What training under the new settings would seal: the same forest, for the gate is told what it is worth.
    parameters = {**serving.parameters, BASIS: ranker_basis(run)}
    challenger = serving.model_copy(update={"version": "f" * 16, "parameters": parameters})
    root = platform.home.artifacts
    with write_artifact(root, ranking.RANKER, challenger.version) as folder:
        for file in artifact(root, ranking.RANKER, serving.version).iterdir():
            shutil.copy(file, folder / file.name)
        write_manifest(folder, challenger)
    return House(run, serving, challenger)


@pytest.fixture
def house(made: House) -> Iterator[House]:
    yield made
    (made.run.platform.home.artifacts / "ranker_overrides.jsonl").unlink(missing_ok=True)


def outcome(monkeypatch: pytest.MonkeyPatch, match: ranking.Match) -> None:
    monkeypatch.setattr(champion, "match_rankers", lambda *_: match)


def test_a_better_challenger_takes_the_place(house: House, monkeypatch: pytest.MonkeyPatch):
    outcome(monkeypatch, drawn_match(1, gain=0.05))
    found = house.decide()
    assert (found.decision, found.champion.version) == ("promoted", house.challenger.version)
    assert found.lines[c.OPPONENT].unique().to_list() == [house.incumbent.version]


@pytest.mark.parametrize(
    ("gain", "n", "why"),
    [(-0.05, 300, "NDCG"), (0.05, 4, "user windows at cutoffs")],
)
def test_the_champion_goes_on_where_the_gate_is_not_passed(
    house: House, monkeypatch: pytest.MonkeyPatch, gain: float, n: int, why: str
):
    outcome(monkeypatch, drawn_match(4, gain=gain, n=n))
    found = house.decide()
    assert (found.decision, found.champion.version) == ("kept", house.incumbent.version)
    assert why in found.reason
    decision = found.lines.filter(pl.col(c.LINE) == "decision").row(0, named=True)
    assert not decision[c.IS_PASSED]
    assert decision[c.CHALLENGER_VERSION] == house.challenger.version


def test_a_pin_goes_before_the_gate_and_a_plan_knows_of_it(house: House, monkeypatch: pytest.MonkeyPatch):
    outcome(monkeypatch, drawn_match(1, gain=-0.05))
    before = build_settings(house.run.platform)
    house.say("pin", house.challenger.version)
    found = house.decide()
    assert (found.decision, found.champion.version) == ("pinned", house.challenger.version)
    assert build_settings(house.run.platform) != before
    house.say("unpin", None)
    assert house.decide().decision == "kept"
    assert build_settings(house.run.platform) == before


def test_a_retired_ranker_does_not_serve_though_it_is_pinned(house: House, monkeypatch: pytest.MonkeyPatch):
    outcome(monkeypatch, drawn_match(1, gain=-0.05))
    house.say("pin", house.challenger.version)
    house.say("retire", house.challenger.version)
    assert house.decide().champion.version == house.incumbent.version


def test_a_pin_holds_where_todays_recipe_has_no_ranker(house: House):
    house.say("retire", house.challenger.version)
    house.say("pin", house.incumbent.version)
    assert house.decide().decision == "pinned"


def test_a_retired_champion_is_followed_by_the_challenger(house: House, monkeypatch: pytest.MonkeyPatch):
    no_rows = drawn_match(1).users.clear()
    monkeypatch.setattr(champion, "match_popularity", lambda *_: ranking.Match(no_rows, {}))
    house.say("retire", house.incumbent.version)
    found = house.decide()
    assert (found.decision, found.champion.version) == ("unproven", house.challenger.version)
    assert "was retired: a test" in found.reason
    listed = list_rankers(house.run.platform, every=False)
    assert dict(listed.select("version", "state").iter_rows())[house.incumbent.version] == "retired, champion"


def test_a_champion_that_is_to_be_retired_serves_until_then_and_not_after(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    outcome(monkeypatch, drawn_match(1, gain=-0.05))
    settings = build_settings(house.run.platform, house.run.known_at)
    until = datetime.now(UTC) + timedelta(days=7)
    house.say("retire", house.incumbent.version, until)
    found = house.decide()
    assert (found.decision, found.champion.version) == ("kept", house.incumbent.version)
    assert build_settings(house.run.platform, house.run.known_at) == settings
    listed = dict(list_rankers(house.run.platform, every=False).select("version", "state").iter_rows())
    assert listed[house.incumbent.version] == f"to be retired on {until:%Y-%m-%d}, champion"
    no_rows = drawn_match(1).users.clear()
    monkeypatch.setattr(champion, "match_popularity", lambda *_: ranking.Match(no_rows, {}))
    # Days later: the same word, said so long ago that it counts.
    house.say("restore", house.incumbent.version)
    house.say("retire", house.incumbent.version, house.run.known_at)
    assert house.decide().champion.version == house.challenger.version
    assert build_settings(house.run.platform, house.run.known_at) != settings


def test_what_a_run_is_made_from_says_of_rankers_what_the_run_went_by(house: House):
    platform, known_at = house.run.platform, house.run.known_at
    before = read_basis(platform, house.run.as_of, known_at).settings
    # It ends while the run goes on: the run served it, and the next one must not.
    until = known_at + timedelta(minutes=1)
    house.say("retire", house.incumbent.version, until)
    assert read_basis(platform, house.run.as_of, known_at).settings == before
    assert read_basis(platform, house.run.as_of, until).settings != before


def test_a_retired_challenger_never_serves(house: House):
    house.say("retire", house.challenger.version)
    found = house.decide()
    assert (found.decision, found.champion.version) == ("kept", house.incumbent.version)
    assert found.lines[c.CHALLENGER_VERSION].to_list() == ["none"]


def test_rankers_of_one_recipe_need_no_match(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(champion, "_incumbent", lambda *_: (house.challenger, ""))
    assert house.decide().decision == "refreshed"


def test_a_match_is_made_where_both_could_have_served(house: House):
    run = house.run
    before = {**house.incumbent.parameters, ranking.LABELS_END: "1970-01-01T00:00:00+00:00"}
    one = house.incumbent.model_copy(update={"parameters": before})
    found = compare_rankers(run.platform, one, one, run.as_of, run.known_at, lambda _: None)
    assert found.n_pairs > 0
    assert not found.passes
    differences = found.lines.filter(pl.col(c.METRIC) == c.NDCG)[c.DIFFERENCE]
    assert differences.to_list() == [0.0] * len(differences)
    with pytest.raises(RecsError, match="no cutoff before"):
        compare_rankers(run.platform, house.incumbent, house.incumbent, run.as_of, run.known_at, lambda _: None)


def test_a_version_may_be_shortened_while_it_is_one(house: House, monkeypatch: pytest.MonkeyPatch):
    named = [house.incumbent.model_copy(update={"version": version}) for version in ("ab1", "ab2", "c3")]
    monkeypatch.setattr(rankers, "sealed_versions", lambda *_: named)
    assert sealed_ranker(house.run.platform, "c") == named[2]
    with pytest.raises(RecsError, match="begins the versions of 2 rankers"):
        sealed_ranker(house.run.platform, "ab")
    with pytest.raises(RecsError, match="no ranker 'xyz'"):
        sealed_ranker(house.run.platform, "xyz")
