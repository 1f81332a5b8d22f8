"""A bundle whose bytes are not those that were sealed is named, whether it opens or not, and it can be mended."""

import random
import shutil
from pathlib import Path

import pytest

from recs_platform.contracts.errors import ContractError
from recs_platform.stages.releases.bundle import sealed_bundle
from recs_platform.stages.releases.bundle.amending import amend_bundle
from recs_platform.stages.releases.bundle.opening import has_opted_out
from recs_platform.stages.releases.bundle.removing import remove_from_bundle
from recs_platform.stages.releases.withheld import Withheld
from recs_platform_tests.serving.served import Ask, Served, item_ids
from recs_platform_tests.unit.stages.releases.bundles import AS_OF

LIST = "/v1/users/u1/recommendations"
HEAD = 128


def file_of(served: Served, name: str) -> Path:
    return next((served.home.artifacts / "serving").glob(f"*/{name}"))


def change(file: Path, at: int, bit: int = 0) -> None:
    changed = bytearray(file.read_bytes())
    changed[at] ^= 1 << bit
    file.write_bytes(changed)


@pytest.mark.parametrize(
    "name", ["item.by_key.npy", "candidate.source_sets.text.npy", "list.items.npy", "user.ids.offsets.npy"]
)
def test_a_head_of_other_bytes_is_named_and_stops_no_server(tmp_path: Path, name: str) -> None:
    served = Served(tmp_path)
    file, drawn = file_of(served, name), random.Random(name)  # noqa: S311
    whole = file.read_bytes()

    async def test(ask: Ask) -> None:
        await ask("GET", "/healthz")
        found = (await ask("GET", "/readyz")).json()
        assert found["is_ready"] or f"{name} is damaged" in found["fault"] or " sealed were " in found["fault"], found

    for _ in range(6):
        change(file, drawn.randrange(HEAD), drawn.randrange(8))
        served.restart()
        served.run(test)
        file.write_bytes(whole)


def test_texts_that_are_none_are_a_damage_too(tmp_path: Path) -> None:
    served = Served(tmp_path)
    change(file_of(served, "fallback.contexts.text.npy"), HEAD, 7)

    async def test(ask: Ask) -> None:
        assert "is damaged" in (await ask("GET", "/readyz")).json()["fault"]
        assert (await ask("GET", LIST)).json()["code"] == "not_ready"

    served.restart()
    served.run(test)


@pytest.mark.parametrize("name", ["release_id", "files", "format", "rules"])
def test_a_manifest_that_lacks_what_it_must_say_is_named(tmp_path: Path, name: str) -> None:
    served = Served(tmp_path)
    manifest = file_of(served, "manifest.json")
    manifest.write_text(manifest.read_text().replace(f'"{name}":', f'"{name}_":'))

    async def test(ask: Ask) -> None:
        fault = (await ask("GET", "/readyz")).json()["fault"]
        assert f"manifest.json is damaged: parameters.{name} is missing" in fault, fault

    served.restart()
    served.run(test)


def test_rows_of_other_bytes_are_told_while_the_bundle_answers_until_they_are_put_back(tmp_path: Path) -> None:
    served = Served(tmp_path)
    file = file_of(served, "list.items.npy")
    kept = tmp_path / "copy"
    shutil.copy(file, kept)
    change(file, HEAD)
    served.restart()
    checking = served.application.checking

    async def test(ask: Ask) -> None:
        assert (await ask("GET", "/readyz")).json()["release_fault"] is None
        await checking.look()
        served.application._look()
        found = (await ask("GET", "/readyz")).json()
        assert found["is_ready"]
        assert f"{file} is damaged" in found["release_fault"]
        assert "recs run --force" in found["release_fault"]
        file.unlink()
        shutil.copy(kept, file)
        await checking.look()
        served.application._look()
        await served.application._look_beside()
        assert (await ask("GET", "/readyz")).json()["release_fault"] is None
        assert item_ids(await ask("GET", LIST)) == "ab"

    served.run(test)


def test_a_bundle_that_is_whole_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served, opened, real = Served(tmp_path), list[str](), Path.open

    def counting(path: Path, *args: str) -> object:
        opened.append(path.name)
        return real(path, *args)

    async def test(_: Ask) -> None:
        monkeypatch.setattr(Path, "open", counting)
        for _ in range(2):
            await served.application.checking.look()
        monkeypatch.undo()

    served.run(test)
    sealed = {file.name for file, _ in served.application.watch.bundle.sealed_files(tmp_path)}
    # Once for its bytes, and once more to see that there are no others behind them.
    assert {name: opened.count(name) for name in sealed} == dict.fromkeys(sealed, 2)


@pytest.mark.parametrize("at", [20, HEAD])
def test_forgetting_seals_no_damaged_bundle_as_whole(tmp_path: Path, at: int) -> None:
    served = Served(tmp_path)
    file = file_of(served, "list.items.npy")
    change(file, at)
    with pytest.raises(ContractError, match=r"list.items.npy is damaged: .*recs run --force"):
        remove_from_bundle(served.home.artifacts, sealed_bundle(served.home, served.release_id), ["u1"])
    assert file.exists()


def test_telling_a_bundle_of_an_opt_out_names_a_damaged_file(tmp_path: Path) -> None:
    served = Served(tmp_path)
    change(file_of(served, "opted_out.keys.npy"), 20)
    with pytest.raises(ContractError, match=r"opted_out.keys.npy is damaged: .*recs run --force"):
        amend_bundle(served.home, served.release_id, Withheld(frozenset({"u1"}), frozenset()), known_at=AS_OF)
    with pytest.raises(ContractError, match=r"opted_out.keys.npy is damaged: .*recs run --force"):
        has_opted_out(served.home, "u1")
