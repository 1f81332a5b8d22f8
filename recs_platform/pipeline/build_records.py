"""What a build of an as-of is made from, and the record of it that is sealed beside the release."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import polars as pl

import recs_platform
from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import Manifest, content_key
from recs_platform.contracts.tables import EVENT_FLAGS, EVENTS, INGESTIONS, INPUTS, QUARANTINE, REMOVALS
from recs_platform.contracts.time import as_of_key
from recs_platform.lake.artifacts import artifact, library_versions, sealed_versions, write_artifact, write_manifest
from recs_platform.pipeline.artifact_keys import BUILD, PACKAGE, code_hash, deciding_settings
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.data_versions import (
    CATALOGUE_TABLES,
    FIRST_OCCURRED_AT,
    ROW_COUNT,
    catalogue_contents,
    known_files,
)
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval.tuned_configs import adopted_version
from recs_platform.pipeline.training.ranker_configs import adopted_version as adopted_ranker
from recs_platform.stages.ranking.overrides import read_overrides
from recs_platform.stages.releases import previous_release

BUILDS = "builds"
FILES_FILE = "files.parquet"
RELEASE, PREVIOUS = "release", "previous"
MODELS, SETTINGS, CODE, CONTENTS, ASSETS = "models", "settings", "code", "contents", "assets"
RUN_ID = "run_id"
FILE_KEY = [c.CONTRACT_TABLE, c.FILE_HASH]
# They grow with events, and hold nothing about items and users.
_NOT_OF_CATALOGUE = {EVENTS.name, EVENT_FLAGS.name, INGESTIONS.name, QUARANTINE.name, REMOVALS.name}


@dataclass(frozen=True)
class Basis:
    """All that decides what a build makes of an as-of.

    `files` (contract_table, file_hash, row_count) are those whose rows matter before it, and what is left out of them,
    as `known_files` lists it; `models` are hashes by name; `code` is the package's version and a hash of its text;
    `previous` is the release of the as-of before; `contents` is what is read of items and users, by contract table.
    """

    files: pl.DataFrame
    models: Mapping[str, str]
    settings: Mapping[str, Any]
    code: str
    libraries: Mapping[str, str]
    previous: str | None
    contents: Mapping[str, str]

    @property
    def contents_key(self) -> str:
        """Hash of what is read of items, users, consents and tags."""
        return content_key(dict(self.contents))

    @property
    def inputs_version(self) -> str:
        """Hash of what is read of the lake and of the release before: another one, and the as-of is stale."""
        return inputs_version(self.files, self.contents_key, self.previous)

    @property
    def data_version(self) -> str:
        return content_key({"files": self.files.rows()})

    @property
    def parameters(self) -> dict[str, Any]:
        """What a record keeps beside the data's version, the libraries and the releases."""
        return {MODELS: dict(self.models), SETTINGS: dict(self.settings), CODE: self.code}

    @property
    def key(self) -> str:
        """Hash of all of it: the same in every home with the same data, models, settings, code and libraries."""
        inputs = {"data": self.data_version, "libraries": dict(self.libraries), PREVIOUS: self.previous}
        return content_key({**inputs, **self.parameters})

    def with_files(self, arriving: pl.DataFrame) -> "Basis":
        """The same with more files, as it will be once they are ingested."""
        files = pl.concat([self.files, arriving.select(*FILE_KEY, ROW_COUNT)], how="vertical_relaxed")
        return replace(self, files=files.group_by(FILE_KEY).agg(pl.sum(ROW_COUNT)).sort(FILE_KEY))


def inputs_version(files: pl.DataFrame, contents_key: str, previous: str | None) -> str:
    """Version of an as-of's inputs: `files` (FILE_KEY, row_count) before it, the catalogue, the release before.

    Rows of the tables of items and users count by what is read of them, not by their files.
    """
    others = files.filter(~pl.col(c.CONTRACT_TABLE).is_in(list(CATALOGUE_TABLES)))
    return content_key({"files": others.rows(), CONTENTS: contents_key, PREVIOUS: previous})


def files_before(files: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """Of what `known_files` lists, what matters before an instant: FILE_KEY, row_count; by FILE_KEY."""
    first = pl.col(FIRST_OCCURRED_AT)
    return files.filter(first.is_null() | (first < at)).select(*FILE_KEY, ROW_COUNT).sort(FILE_KEY)


def catalogue_version(versions: Mapping[str, int]) -> str:
    """Hash of the versions of the raw tables of items and users."""
    return content_key({name: version for name, version in versions.items() if name not in _NOT_OF_CATALOGUE})


def read_basis(
    platform: Platform,
    at: datetime,
    known: datetime,
    versions: Mapping[str, int] | None = None,
    *,
    files: pl.DataFrame | None = None,
) -> Basis:
    """What a build as of `at` would be made from; raw tables are read at `versions` where they are named there.

    `files`: what `known_files` lists, where that has been read.
    """
    files = known_files(platform, known, versions) if files is None else files
    before = previous_release(platform.home, at)
    return Basis(
        files=files_before(files, at),
        models={model.name: model.hash for model in platform.models},
        settings=build_settings(platform, known),
        code=build_code(platform),
        libraries=library_versions(*BUILD.libraries),
        previous=None if before is None else before.version,
        contents=catalogue_contents(platform, at, known, versions),
    )


def build_settings(platform: Platform, known: datetime | None = None) -> dict[str, Any]:
    """Settings that decide what a build makes, the adopted retrieval config, overrides of rankers; by dotted name.

    `known`: overrides are those that counted then, as the build itself goes by them; all that were said without it.
    """
    overrides = read_overrides(platform.home.artifacts)
    overrides = overrides if known is None else overrides.known_at(known)
    chosen = {
        "retrieval_config": adopted_version(platform.home.artifacts),
        "ranker_config": adopted_ranker(platform.home.artifacts),
        "pinned_ranker": None if overrides.pinned is None else overrides.pinned.version,
        "retired_rankers": sorted(overrides.retired),
    }
    return {**deciding_settings(platform.settings, BUILD), **chosen}


def build_code(platform: Platform) -> str:
    """The package's version, a hash of its text, and one of the home's rules where there are any."""
    return f"{recs_platform.__version__}+{code_hash(PACKAGE, BUILD)}{_own_rules(platform)}"


def code_version(platform: Platform, known: datetime | None = None) -> str:
    """Hash of all that makes a build beside the data and the SQL models: code, settings as `known`, libraries."""
    libraries = library_versions(*BUILD.libraries)
    return content_key({CODE: build_code(platform), SETTINGS: build_settings(platform, known), "libraries": libraries})


def _own_rules(platform: Platform) -> str:
    """Hash of the home's rules, nothing where there are none."""
    texts = {path.name: path.read_text("utf-8", errors="replace") for path in sorted(platform.home.rules.glob("*.py"))}
    return f"+{content_key(texts)}" if texts else ""


def raw_versions(platform: Platform) -> dict[str, int]:
    """Versions of the raw tables as they are now."""
    return {name: platform.lake.version(name) for name in platform.lake.names() if name.startswith("raw.")}


def run_basis(run: AsOfRun) -> Basis:
    """What a run is made from. Raw tables are read as they were when it started: it does not claim later rows."""
    return run.once("basis", lambda: read_basis(run.platform, run.as_of, run.known_at, run.raw_versions))


def changed_inputs(run: AsOfRun) -> str | None:
    """The message where a run reads other files than `events.inputs` holds; None where they are the same."""
    with run.models() as models:
        stored = models.frame(INPUTS.name, [*FILE_KEY, ROW_COUNT])
    read = files_before(run.files, run.as_of)
    if sorted(stored.rows()) == sorted(read.rows()):
        return None
    return (
        f"events.inputs lists {stored.height} files as of {as_of_key(run.as_of)} and this run reads {read.height}, or "
        "other rows of them: materialize events/inputs and what follows it, so that all of it is of one state"
    )


def record_build(
    run: AsOfRun, *, assets: Collection[str], release: str | None, sealed_at: datetime, run_id: str
) -> Manifest:
    """Seal the record of a build as `artifacts/builds/<as_of>-<hash>`.

    `assets`: names of what it made, in the run `run_id`. `release`: that of a whole build; None where only some assets
    were chosen.
    """
    basis = run_basis(run)
    digest = content_key({"key": basis.key, RELEASE: release, "sealed_at": sealed_at})
    before = {} if basis.previous is None else {PREVIOUS: basis.previous}
    manifest = Manifest(
        name=BUILDS,
        version=f"{as_of_key(run.as_of).replace(':', '')}-{digest}",
        as_of=run.as_of,
        known_at=run.known_at,
        data_version=basis.data_version,
        seed=run.platform.settings.seed,
        parameters={**basis.parameters, CONTENTS: dict(basis.contents), ASSETS: sorted(assets), RUN_ID: run_id},
        inputs=before if release is None else {RELEASE: release, **before},
        libraries=dict(basis.libraries),
        sealed_at=sealed_at,
    )
    with write_artifact(run.platform.home.artifacts, BUILDS, manifest.version) as folder:
        basis.files.write_parquet(folder / FILES_FILE)
        write_manifest(folder, manifest)
    return manifest


def is_as_built(run: AsOfRun, tables: Collection[str]) -> bool:
    """Whether what the lake holds of the as-of in these tables is what a run would make of it now.

    That is: its last build was whole, and from the same data, models, settings, code and libraries.
    """
    platform, at = run.platform, run.as_of
    last = last_build(platform, at)
    are_there = all(platform.lake.exists(name) and at in platform.lake.as_ofs(name) for name in tables)
    if last is None or not are_there or partial_builds(platform, at):
        return False
    basis = read_basis(platform, at, run.known_at, run.raw_versions, files=run.files)
    then = {name: last.parameters.get(name) for name in (*basis.parameters, CONTENTS)}
    now = {**basis.parameters, CONTENTS: dict(basis.contents)}
    return (last.data_version, dict(last.libraries), content_key(then)) == (
        basis.data_version,
        dict(basis.libraries),
        content_key(now),
    )


def last_build(platform: Platform, at: datetime) -> Manifest | None:
    """The record of the last whole build of an as-of, None when there is none."""
    found = [each for each in _records(platform, at) if RELEASE in each.inputs]
    return found[-1] if found else None


def partial_builds(platform: Platform, at: datetime) -> list[Manifest]:
    """Records of builds of some assets since the last whole build of an as-of, oldest first."""
    since: list[Manifest] = []
    for record in _records(platform, at):
        since = [] if RELEASE in record.inputs else [*since, record]
    return since


def _records(platform: Platform, at: datetime) -> list[Manifest]:
    """Records of an as-of in the order in which they were sealed."""
    return [manifest for manifest in sealed_versions(platform.home.artifacts, BUILDS) if manifest.as_of == at]


def files_of(platform: Platform, record: Manifest) -> pl.DataFrame:
    """The files a recorded build was made from: contract_table, file_hash, row_count."""
    return pl.read_parquet(artifact(platform.home.artifacts, BUILDS, record.version) / FILES_FILE)
