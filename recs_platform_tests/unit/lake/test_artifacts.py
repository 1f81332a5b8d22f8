"""Artifacts: whole or absent, the first sealed one stays, nothing of a dead writer remains."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from recs_platform.contracts.errors import ContractError, NotReady
from recs_platform.contracts.manifests import Manifest
from recs_platform.lake import artifacts
from recs_platform.lake.processes import process_name

NOON = datetime(2017, 2, 20, 12, tzinfo=UTC)


def manifest(version: str, *, name: str = "ranker", as_of: datetime = NOON, sealed_at: datetime = NOON) -> Manifest:
    known = {"as_of": as_of, "known_at": NOON, "sealed_at": sealed_at}
    return Manifest(name=name, version=version, data_version="1", seed=7, metrics={"ndcg": 0.5}, **known)


def write(root, version, text="model", **fields):
    with artifacts.write_artifact(root, "ranker", version) as folder:
        (folder / "parts").mkdir()
        (folder / "parts" / "model.txt").write_text(text)
        artifacts.write_manifest(folder, manifest(version, **fields))


def test_an_artifact_is_found_whole_after_sealing_and_not_before(tmp_path):
    with artifacts.write_artifact(tmp_path, "ranker", "v1") as folder:
        artifacts.write_manifest(folder, manifest("v1"))
        assert not artifacts.is_sealed(tmp_path, "ranker", "v1")
        assert artifacts.sealed_versions(tmp_path, "ranker") == []
    assert artifacts.is_sealed(tmp_path, "ranker", "v1")
    sealed = artifacts.artifact(tmp_path, "ranker", "v1")
    assert artifacts.read_manifest(sealed) == manifest("v1")
    assert [entry.name for entry in (tmp_path / "ranker").iterdir()] == ["v1"]


def test_an_exception_leaves_nothing(tmp_path):
    with pytest.raises(KeyError), artifacts.write_artifact(tmp_path, "ranker", "v1"):
        raise KeyError
    assert list((tmp_path / "ranker").iterdir()) == []


def test_an_artifact_needs_its_own_manifest(tmp_path):
    with pytest.raises(ContractError, match="without a manifest"), artifacts.write_artifact(tmp_path, "ranker", "v1"):
        pass
    with pytest.raises(ContractError, match="that of ranker v2"):  # noqa: SIM117
        with artifacts.write_artifact(tmp_path, "ranker", "v1") as folder:
            artifacts.write_manifest(folder, manifest("v2"))
    assert list((tmp_path / "ranker").iterdir()) == []


def test_the_first_sealed_version_stays(tmp_path):
    write(tmp_path, "v1", "first")
    write(tmp_path, "v1", "second")
    assert (tmp_path / "ranker" / "v1" / "parts" / "model.txt").read_text() == "first"
    with artifacts.write_artifact(tmp_path, "ranker", "v2") as folder:
        # Another process seals the version between our start and our end.
        other = tmp_path / "ranker" / "v2"
        other.mkdir()
        artifacts.write_manifest(other, manifest("v2", sealed_at=datetime(2017, 3, 1, tzinfo=UTC)))
        artifacts.write_manifest(folder, manifest("v2"))
    assert artifacts.read_manifest(other).sealed_at == datetime(2017, 3, 1, tzinfo=UTC)
    assert sorted(entry.name for entry in (tmp_path / "ranker").iterdir()) == ["v1", "v2"]


def test_a_race_lost_at_the_rename_itself_keeps_the_winner(tmp_path, monkeypatch):
    write(tmp_path, "v1", "winner")
    monkeypatch.setattr(artifacts, "is_sealed", lambda *_: False)
    write(tmp_path, "v1", "loser")
    assert (tmp_path / "ranker" / "v1" / "parts" / "model.txt").read_text() == "winner"


def test_threads_that_write_the_same_version_at_once_do_not_meet(tmp_path):
    both = threading.Barrier(2)

    def write_beside(text):
        with artifacts.write_artifact(tmp_path, "ranker", "v1") as folder:
            (folder / "model.txt").write_text(text)
            artifacts.write_manifest(folder, manifest("v1"))
            both.wait(timeout=10)
            assert (folder / "model.txt").read_text() == text

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write_beside, ["one", "two"]))
    (sealed,) = (tmp_path / "ranker").iterdir()
    assert sealed.name == "v1"
    assert (sealed / "model.txt").read_text() in {"one", "two"}


def test_versions_come_by_as_of_then_by_sealing(tmp_path):
    later = NOON.replace(hour=13)
    write(tmp_path, "c", as_of=later)
    write(tmp_path, "b", sealed_at=later)
    write(tmp_path, "a")
    assert [found.version for found in artifacts.sealed_versions(tmp_path, "ranker")] == ["a", "b", "c"]
    assert artifacts.sealed_versions(tmp_path, "unknown") == []


def test_a_version_that_is_not_there_says_what_to_run(tmp_path):
    with pytest.raises(NotReady, match=r"ranker v9 .*recs run"):
        artifacts.artifact(tmp_path, "ranker", "v9")
    with pytest.raises(NotReady, match=r"manifest\.json"):
        artifacts.read_manifest(tmp_path)


def test_a_killed_writer_leaves_nothing_sealed_and_the_next_write_clears_it_away(tmp_path, start):
    child = start("half_artifact", tmp_path, "ranker", "v1")
    assert child.stdout.readline() == "writing\n"
    # A living writer's folder is left alone, whichever version is written beside it.
    write(tmp_path, "v0")
    (aside,) = (tmp_path / "ranker").glob(f"v1.tmp-{child.pid}-*")
    assert (aside / "half").exists()
    child.kill()
    child.wait()
    assert not artifacts.is_sealed(tmp_path, "ranker", "v1")
    assert [found.version for found in artifacts.sealed_versions(tmp_path, "ranker")] == ["v0"]
    write(tmp_path, "v1")
    assert sorted(entry.name for entry in (tmp_path / "ranker").iterdir()) == ["v0", "v1"]


def test_library_versions_are_the_installed_ones():
    assert artifacts.library_versions("pyarrow", "deltalake").keys() == {"pyarrow", "deltalake"}


def test_a_folder_of_a_dead_process_goes_although_its_number_lives_again(tmp_path):
    pid, start = process_name().split("-")
    (tmp_path / "ranker" / f"v1.tmp-{pid}-{start}x-140213").mkdir(parents=True)
    (tmp_path / "ranker" / f"v2.tmp-{pid}-{start}-140213").mkdir()
    write(tmp_path, "v3")
    assert sorted(entry.name for entry in (tmp_path / "ranker").iterdir()) == [f"v2.tmp-{pid}-{start}-140213", "v3"]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"name": "ranker"}', b"[1, 2]"])
def test_a_damaged_manifest_is_named_in_one_line(tmp_path, content):
    write(tmp_path, "v1")
    file = tmp_path / "ranker" / "v1" / artifacts.MANIFEST_FILE
    file.write_bytes(content)
    with pytest.raises(ContractError, match=r"v1/manifest\.json is damaged: .*restore it") as refused:
        artifacts.sealed_versions(tmp_path, "ranker")
    assert "\n" not in str(refused.value)
