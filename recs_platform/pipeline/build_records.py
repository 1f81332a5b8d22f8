"""What a build of an as-of is made from, and the record of it that is sealed beside the release."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import polars as pl

import recs_platform
from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import Manifest, content_key
from recs_platform.contracts.time import as_of_key
from recs_platform.lake.artifacts import artifact, library_versions, sealed_versions, write_artifact, write_manifest
from recs_platform.pipeline.artifact_keys import BUILD, PACKAGE, code_hash, deciding_settings
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.data_versions import FIRST_OCCURRED_AT, ROW_COUNT, catalogue_contents, known_files
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval.tuned_configs import adopted_version
from recs_platform.stages.releases import previous_release

BUILDS = "builds"
FILES_FILE = "files.parquet"
RELEASE, PREVIOUS = "release", "previous"
MODELS, SETTINGS, CODE, CONTENTS = "models", "settings", "code", "contents"
FILE_KEY = [c.CONTRACT_TABLE, c.FILE_HASH]


@dataclass(frozen=True)
class Basis:
    """All that decides what a build makes of an as-of.

    `files` (contract_table, file_hash, row_count) are those whose rows matter before it, and what is left out of them,
    as `known_files` lists it; `models` are hashes by name; `code` is the package's version and a hash of its text;
    `previous` is the release of the as-of before; `contents` says what is read of items and users, by contract table.
    """

    files: pl.DataFrame
    models: Mapping[str, str]
    settings: Mapping[str, Any]
    code: str
    libraries: Mapping[str, str]
    previous: str | None
    contents: Mapping[str, str]

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
        """The same with more files, as it will be once they are taken in."""
        files = pl.concat([self.files, arriving.select(*FILE_KEY, ROW_COUNT)], how="vertical_relaxed")
        return replace(self, files=files.group_by(FILE_KEY).agg(pl.sum(ROW_COUNT)).sort(FILE_KEY))


def read_basis(platform: Platform, at: datetime, known: datetime, versions: Mapping[str, int] | None = None) -> Basis:
    """What a build as of `at` would be made from; raw tables are read at `versions` where they are named there."""
    files = known_files(platform, known, versions)
    before = previous_release(platform.home, at)
    first = pl.col(FIRST_OCCURRED_AT)
    return Basis(
        files=files.filter(first.is_null() | (first < at)).select(*FILE_KEY, ROW_COUNT).sort(FILE_KEY),
        models={model.name: model.hash for model in platform.models},
        settings={
            **deciding_settings(platform.settings, BUILD),
            "retrieval_config": adopted_version(platform.home.artifacts),
        },
        code=f"{recs_platform.__version__}+{code_hash(PACKAGE, BUILD)}{_own_rules(platform)}",
        libraries=library_versions(*BUILD.libraries),
        previous=None if before is None else before.version,
        contents=catalogue_contents(platform, at, known, versions),
    )


def _own_rules(platform: Platform) -> str:
    """Hash of the home's rules, nothing where there are none."""
    texts = {path.name: path.read_text("utf-8", errors="replace") for path in sorted(platform.home.rules.glob("*.py"))}
    return f"+{content_key(texts)}" if texts else ""


def raw_versions(platform: Platform) -> dict[str, int]:
    """Versions of the raw tables as they are now."""
    return {name: platform.lake.version(name) for name in platform.lake.names() if name.startswith("raw.")}


def record_build(run: AsOfRun, *, release: str, sealed_at: datetime) -> Manifest:
    """Seal the record of a whole build, which made `release`, as `artifacts/builds/<as_of>-<hash>`.

    Raw tables are read as they were when the run started: rows that came later may be in its lists or not, so the
    record does not claim them.
    """
    platform, at, known = run.platform, run.as_of, run.known_at
    basis = read_basis(platform, at, known, run.raw_versions)
    digest = content_key({"key": basis.key, RELEASE: release, "sealed_at": sealed_at})
    manifest = Manifest(
        name=BUILDS,
        version=f"{as_of_key(at).replace(':', '')}-{digest}",
        as_of=at,
        known_at=known,
        data_version=basis.data_version,
        seed=platform.settings.seed,
        parameters={**basis.parameters, CONTENTS: dict(basis.contents)},
        inputs={RELEASE: release} | ({} if basis.previous is None else {PREVIOUS: basis.previous}),
        libraries=dict(basis.libraries),
        sealed_at=sealed_at,
    )
    with write_artifact(platform.home.artifacts, BUILDS, manifest.version) as folder:
        basis.files.write_parquet(folder / FILES_FILE)
        write_manifest(folder, manifest)
    return manifest


def last_build(platform: Platform, at: datetime) -> Manifest | None:
    """The record of the last whole build of an as-of, None when there is none."""
    found = [manifest for manifest in sealed_versions(platform.home.artifacts, BUILDS) if manifest.as_of == at]
    return found[-1] if found else None


def files_of(platform: Platform, record: Manifest) -> pl.DataFrame:
    """The files a recorded build was made from: contract_table, file_hash, row_count."""
    return pl.read_parquet(artifact(platform.home.artifacts, BUILDS, record.version) / FILES_FILE)
