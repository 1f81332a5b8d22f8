"""What is served of a sealed release by now: its rows, but for those that others took the place of.

A release never changes, and it may outlive a consent or the availability of an item. Rows that may be shown no more
are replaced in an artifact beside it, one a release; its manifest counts them. Which they are is decided in
`pipeline.served`, what takes their place in `replacing`.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.tables import LISTS, SURFACE_LISTS
from recs_platform.lake.artifacts import (
    artifact,
    is_sealed,
    library_versions,
    read_manifest,
    write_artifact,
    write_manifest,
)
from recs_platform.lake.whole_files import read_whole
from recs_platform.stages.releases.expiry import read_list_expiry
from recs_platform.stages.releases.files import SERVED_ARTIFACT
from recs_platform.stages.releases.reading import read_release, read_surface_lists
from recs_platform.stages.releases.replacements import RELEASE, remove_replacements, replacement_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import polars as pl

    from recs_platform.contracts.home import Home

# Rows that are served, and whose rows of the release are not: users, and users of a surface.
ROWS_FILE, USERS_FILE = "lists.parquet", "users.parquet"
SURFACE_ROWS_FILE, SURFACE_USERS_FILE = "surface_lists.parquet", "surface_users.parquet"
_HASH_LENGTH = 12


@dataclass(frozen=True)
class Replacement:
    """Whole lists in the place of released ones.

    `lists`: rows of recommendations.lists, `users`: user_id, whose released lists are not served; who has no row is
    served nothing. `surfaces`, `surface_users` (surface, user_id): the same of surfaces. `counts`: what the manifest
    says of them.
    """

    lists: pl.DataFrame
    users: pl.DataFrame
    surfaces: pl.DataFrame
    surface_users: pl.DataFrame
    counts: Mapping[str, int]

    @property
    def is_nothing(self) -> bool:
        return self.users.is_empty() and self.surface_users.is_empty()


def seal_replacement(
    home: Home, release: Manifest, made: Replacement, *, known_at: datetime, sealed_at: datetime
) -> Manifest | None:
    """Seal what is served in the place of rows of a release, and remove what was before; None where it is nothing.

    The same rows again are what is there.
    """
    version = None if made.is_nothing else f"{release.version}-{_digest(made)}"
    if version is not None and not is_sealed(home.artifacts, SERVED_ARTIFACT, version):
        manifest = Manifest(
            name=SERVED_ARTIFACT,
            version=version,
            as_of=release.as_of,
            known_at=known_at,
            data_version=release.data_version,
            seed=release.seed,
            parameters={c.RANKER_VERSION: release.parameters[c.RANKER_VERSION]},
            inputs={RELEASE: release.version},
            metrics={name: float(count) for name, count in made.counts.items()},
            libraries=library_versions("polars"),
            sealed_at=sealed_at,
        )
        with write_artifact(home.artifacts, SERVED_ARTIFACT, version) as folder:
            made.lists.select(LISTS.column_names).sort(LISTS.grain).write_parquet(folder / ROWS_FILE)
            made.users.sort(c.USER_ID).write_parquet(folder / USERS_FILE)
            made.surfaces.select(SURFACE_LISTS.column_names).sort(SURFACE_LISTS.grain).write_parquet(
                folder / SURFACE_ROWS_FILE
            )
            made.surface_users.sort(c.SURFACE, c.USER_ID).write_parquet(folder / SURFACE_USERS_FILE)
            write_manifest(folder, manifest)
    remove_replacements(home, release.version, but=version)
    return None if version is None else read_manifest(artifact(home.artifacts, SERVED_ARTIFACT, version))


def _digest(made: Replacement) -> str:
    import polars as pl

    digest = hashlib.sha256()
    for frame in (made.lists, made.users, made.surfaces, made.surface_users):
        with io.BytesIO() as file:
            # Old types of Arrow: views of texts depend on where they came from.
            frame.rechunk().write_ipc(file, compat_level=pl.CompatLevel.oldest())
            digest.update(file.getbuffer())
    return digest.hexdigest()[:_HASH_LENGTH]


def read_served(home: Home, release_id: str, *, user: str | None = None) -> pl.DataFrame:
    """As `read_release`, with the rows that are served in the place of others. Raises RecsError for an unknown id."""
    import polars as pl

    rows, manifest = read_release(home, release_id, user=user), replacement_of(home, release_id)
    if manifest is None:
        return rows
    folder = artifact(home.artifacts, SERVED_ARTIFACT, manifest.version)
    instead = read_whole(folder / ROWS_FILE).with_columns(pl.lit(release_id).alias(c.RELEASE_ID))
    if user is not None:
        instead = instead.filter(pl.col(c.USER_ID) == user)
    kept = rows.join(read_whole(folder / USERS_FILE), on=c.USER_ID, how="anti")
    return pl.concat([kept, instead.select(rows.columns)]).sort(c.USER_ID, c.RANK)


def read_served_expiry(home: Home, release_id: str, user: str) -> datetime | None:
    """Until when the lists of a user are meant; None where nothing is said, as of whoever has opted out by now.

    Raises RecsError for an unknown id.
    """
    from recs_platform.stages.releases.bundle.opening import has_opted_out

    found = read_list_expiry(home, release_id, user=user)[c.EXPIRES_AT].to_list()
    return found[0] if found and not has_opted_out(home, user) else None


def read_served_surfaces(
    home: Home, release_id: str, *, surface: str | None = None, user: str | None = None
) -> pl.DataFrame:
    """As `read_surface_lists`, with the rows that are served in the place of others."""
    import polars as pl

    rows, manifest = read_surface_lists(home, release_id, surface=surface, user=user), replacement_of(home, release_id)
    if manifest is None:
        return rows
    folder = artifact(home.artifacts, SERVED_ARTIFACT, manifest.version)
    instead = read_whole(folder / SURFACE_ROWS_FILE)
    for column, value in ((c.SURFACE, surface), (c.USER_ID, user)):
        instead = instead if value is None else instead.filter(pl.col(column) == value)
    kept = rows.join(read_whole(folder / SURFACE_USERS_FILE), on=[c.SURFACE, c.USER_ID], how="anti")
    return pl.concat([kept, instead.select(rows.columns)]).sort(c.SURFACE, c.USER_ID, c.RANK)
