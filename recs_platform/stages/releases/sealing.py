"""Sealing lists as a release. Lists are made in `reranking`; which release is in force is decided in `in_force`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.tables import (
    LIST_REFERENCES,
    LISTS,
    SHARED_LISTS,
    SHORT_LISTS,
    SURFACE_LISTS,
    TableContract,
)
from recs_platform.contracts.time import as_of_key
from recs_platform.lake.artifacts import (
    artifact,
    is_sealed,
    library_versions,
    read_manifest,
    remove_artifact,
    write_artifact,
    write_manifest,
)
from recs_platform.stages.releases.files import (
    EXPIRY_FILE,
    LISTS_FILE,
    N_ROWS,
    PREVIOUS,
    REFERENCES_FILE,
    RELEASES_ARTIFACT,
    SHARED_FILE,
    SHORT_LISTS_FILE,
    SURFACE_FILE,
    WITHDRAWN_ARTIFACT,
)
from recs_platform.stages.releases.in_force import previous_release

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    import polars as pl

    from recs_platform.contracts.home import Home
    from recs_platform.stages.releases.references import SharedRows

_HASH_LENGTH = 12


@dataclass(frozen=True)
class ReleaseRows:
    """What a release holds: rows of recommendations.lists and recommendations.short_lists.

    `shared`: shared lists, and the users who are shown them; `surfaces`: rows of recommendations.surface_lists; none
    of either by default. `expiry`: what `list_expiry` gives; nothing is said by default.
    """

    lists: pl.DataFrame
    short_lists: pl.DataFrame
    shared: SharedRows | None = None
    surfaces: pl.DataFrame | None = None
    expiry: pl.DataFrame | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there are neither lists nor short ones."""
        return self.lists.is_empty() and self.short_lists.is_empty() and not self.referring_count

    @property
    def referring_count(self) -> int:
        """How many users are shown a shared list."""
        return 0 if self.shared is None else self.shared.references.height


@dataclass(frozen=True)
class ReleaseOrigin:
    """What a release was made from. The fields after `ranker_version` are hashes, left out where they are not known."""

    as_of: datetime
    known_at: datetime
    data_version: str
    seed: int
    ranker_version: str
    item_index: str | None = None
    models: str | None = None
    settings: str | None = None
    code: str | None = None

    def parameters(self) -> dict[str, str]:
        """What the manifest keeps beside its own fields."""
        hashes = {
            "item_index": self.item_index,
            "models": self.models,
            "settings": self.settings,
            "code": self.code,
        }
        known = {name: value for name, value in hashes.items() if value is not None}
        return {**known, c.RANKER_VERSION: self.ranker_version}


def seal_release(
    home: Home,
    rows: ReleaseRows,
    origin: ReleaseOrigin,
    *,
    content_hash: str,
    sealed_at: datetime,
    before_sealing: Callable[[Manifest], object] | None = None,
) -> Manifest:
    """Seal `rows` as the release `<as_of>-<content hash>`.

    Sealing content that is sealed already returns its manifest and writes nothing; to go back to it once something
    else was sealed for that as_of, pin it. Withdrawn content is sealed again, and no longer withdrawn. Raises
    ContractError when there are neither lists nor short ones, when a column lacks or when a row is of another as_of:
    where no user has an eligible item left, a release of empty lists with their reasons is correct.
    `before_sealing` is given the manifest first: whatever goes with a release is there once the release is.
    """
    as_of = origin.as_of
    release_id = f"{as_of_key(as_of).replace(':', '')}-{content_hash[:_HASH_LENGTH]}"
    if is_sealed(home.artifacts, RELEASES_ARTIFACT, release_id):
        there = read_manifest(artifact(home.artifacts, RELEASES_ARTIFACT, release_id))
        if before_sealing is not None:
            before_sealing(there)
        return there
    _require(rows.lists, LISTS, as_of)
    _require(rows.short_lists, SHORT_LISTS, as_of)
    if rows.is_empty:
        raise ContractError(f"no lists to release as of {as_of_key(as_of)}; materialize `reranking` first")
    previous = previous_release(home, as_of)
    manifest = Manifest(
        name=RELEASES_ARTIFACT,
        version=release_id,
        as_of=as_of,
        known_at=origin.known_at,
        data_version=origin.data_version,
        seed=origin.seed,
        parameters={**origin.parameters(), c.CONTENT_HASH: content_hash},
        inputs={} if previous is None else {PREVIOUS: previous.version},
        metrics={
            c.N_USERS: rows.lists[c.USER_ID].n_unique() + rows.referring_count,
            N_ROWS: rows.lists.height
            + (0 if rows.shared is None else int(rows.shared.references[c.LIST_LENGTH].sum())),
        },
        libraries=library_versions("polars"),
        sealed_at=sealed_at,
    )
    if before_sealing is not None:
        before_sealing(manifest)
    with write_artifact(home.artifacts, RELEASES_ARTIFACT, release_id) as folder:
        _write_rows(folder, rows)
        write_manifest(folder, manifest)
    remove_artifact(home.artifacts, WITHDRAWN_ARTIFACT, release_id)
    return read_manifest(artifact(home.artifacts, RELEASES_ARTIFACT, release_id))


def _write_rows(folder: Path, rows: ReleaseRows) -> None:
    _ordered(rows.lists, LISTS).write_parquet(folder / LISTS_FILE)
    _ordered(rows.short_lists, SHORT_LISTS).write_parquet(folder / SHORT_LISTS_FILE)
    if rows.shared is not None and rows.referring_count:
        _ordered(rows.shared.lists, SHARED_LISTS).write_parquet(folder / SHARED_FILE)
        _ordered(rows.shared.references, LIST_REFERENCES).write_parquet(folder / REFERENCES_FILE)
    if rows.surfaces is not None and rows.surfaces.height:
        _ordered(rows.surfaces, SURFACE_LISTS).write_parquet(folder / SURFACE_FILE)
    if rows.expiry is not None:
        rows.expiry.sort(c.USER_ID).write_parquet(folder / EXPIRY_FILE)


def _ordered(frame: pl.DataFrame, contract: TableContract) -> pl.DataFrame:
    return frame.select(contract.column_names).sort(contract.grain)


def _require(frame: pl.DataFrame, contract: TableContract, as_of: datetime) -> None:
    import polars as pl

    missing = [name for name in contract.column_names if name not in frame.columns]
    if missing:
        raise ContractError(f"{contract.name} lacks {missing}; it cannot be released")
    strays = frame.filter(pl.col(c.AS_OF) != as_of).height
    if strays:
        raise ContractError(f"{contract.name} has {strays} rows of another as_of than {as_of_key(as_of)}")
