"""Releases: sealed lists, which of them is in force, pinning and comparing them. Lists are made in `reranking`.

What online serving needs of a release is in `bundle`.

A release is an artifact that never changes; what is in force follows from the releases there are and from the pin.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError, NotReady, RecsError
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.spelling import did_you_mean
from recs_platform.contracts.tables import (
    CURRENT,
    LIST_REFERENCES,
    LISTS,
    RELEASES,
    SHARED_LISTS,
    SHORT_LISTS,
    TableContract,
)
from recs_platform.contracts.time import as_of_key
from recs_platform.lake.artifacts import (
    artifact,
    is_sealed,
    library_versions,
    move_artifact,
    read_manifest,
    remove_artifact,
    sealed_versions,
    write_artifact,
    write_manifest,
)
from recs_platform.lake.column_types import polars_schema
from recs_platform.lake.disk import replace_text
from recs_platform.stages.releases.references import SharedRows, expand

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import polars as pl

    from recs_platform.contracts.home import Home

RELEASES_ARTIFACT = "releases"
WITHDRAWN_ARTIFACT = "withdrawn"
LISTS_FILE = "recommendations.parquet"
SHORT_LISTS_FILE = "short_lists.parquet"
SHARED_FILE = "shared_lists.parquet"
REFERENCES_FILE = "list_references.parquet"
N_ROWS = "n_rows"
PREVIOUS = "previous"
MOVERS_MAX = 10
_HASH_LENGTH = 12


@dataclass(frozen=True)
class ReleaseDiff:
    """How release `b` differs from `a`.

    `users_added` and `users_removed` are sorted ids. Over users in both: `changed_share` is the share of b's positions
    whose item was not in the user's list in a, `mean_overlap` the mean over users of common items over the longer
    list's length; both None when no user is in both. `movers` (item_id, lists_before, lists_after, change) are the
    items whose number of lists changed most, at most ten, ties by item_id.
    """

    a: str
    b: str
    users_added: tuple[str, ...]
    users_removed: tuple[str, ...]
    users_in_both: int
    changed_share: float | None
    mean_overlap: float | None
    movers: pl.DataFrame

    def summary(self) -> dict[str, Any]:
        """The difference as plain values, users as counts."""
        return {
            "a": self.a,
            "b": self.b,
            "users_added": len(self.users_added),
            "users_removed": len(self.users_removed),
            "users_in_both": self.users_in_both,
            "changed_share": self.changed_share,
            "mean_overlap": self.mean_overlap,
            "movers": self.movers.to_dicts(),
        }


def seal_release(
    home: Home,
    *,
    lists: pl.DataFrame,
    short_lists: pl.DataFrame,
    shared: SharedRows | None = None,
    as_of: datetime,
    known_at: datetime,
    data_version: str,
    seed: int,
    ranker_version: str,
    content_hash: str,
    sealed_at: datetime,
    before_sealing: Callable[[Manifest], object] | None = None,
) -> Manifest:
    """Seal `lists` (columns of recommendations.lists) and `short_lists` as the release `<as_of>-<hash>`.

    `shared`: shared lists, and the users who are shown them; none by default.

    Sealing content that is sealed already returns its manifest and writes nothing; to go back to it once something
    else was sealed for that as_of, pin it. Withdrawn content is sealed again, and no longer withdrawn. Raises
    ContractError when there are neither lists nor short ones, when a column lacks or when a row is of another as_of:
    where no user has an eligible item left, a release of empty lists with their reasons is correct.
    `before_sealing` is given the manifest first: whatever goes with a release is there once the release is.
    """
    release_id = f"{as_of_key(as_of).replace(':', '')}-{content_hash[:_HASH_LENGTH]}"
    if is_sealed(home.artifacts, RELEASES_ARTIFACT, release_id):
        there = read_manifest(artifact(home.artifacts, RELEASES_ARTIFACT, release_id))
        if before_sealing is not None:
            before_sealing(there)
        return there
    _require(lists, LISTS, as_of)
    _require(short_lists, SHORT_LISTS, as_of)
    referring = 0 if shared is None else shared.references.height
    if lists.is_empty() and short_lists.is_empty() and not referring:
        raise ContractError(f"no lists to release as of {as_of_key(as_of)}; materialize `reranking` first")
    previous = _previous(_sealed(home), as_of)
    manifest = Manifest(
        name=RELEASES_ARTIFACT,
        version=release_id,
        as_of=as_of,
        known_at=known_at,
        data_version=data_version,
        seed=seed,
        parameters={c.RANKER_VERSION: ranker_version, c.CONTENT_HASH: content_hash},
        inputs={} if previous is None else {PREVIOUS: previous.version},
        metrics={
            c.N_USERS: lists[c.USER_ID].n_unique() + referring,
            N_ROWS: lists.height + (0 if shared is None else int(shared.references[c.LIST_LENGTH].sum())),
        },
        libraries=library_versions("polars"),
        sealed_at=sealed_at,
    )
    if before_sealing is not None:
        before_sealing(manifest)
    with write_artifact(home.artifacts, RELEASES_ARTIFACT, release_id) as folder:
        _ordered(lists, LISTS).write_parquet(folder / LISTS_FILE)
        _ordered(short_lists, SHORT_LISTS).write_parquet(folder / SHORT_LISTS_FILE)
        if shared is not None and referring:
            _ordered(shared.lists, SHARED_LISTS).write_parquet(folder / SHARED_FILE)
            _ordered(shared.references, LIST_REFERENCES).write_parquet(folder / REFERENCES_FILE)
        write_manifest(folder, manifest)
    remove_artifact(home.artifacts, WITHDRAWN_ARTIFACT, release_id)
    return read_manifest(artifact(home.artifacts, RELEASES_ARTIFACT, release_id))


def list_releases(home: Home) -> pl.DataFrame:
    """Rows of recommendations.releases, by as_of and sealing instant; empty when nothing was sealed."""
    import polars as pl

    sealed = _sealed(home)
    pinned = pinned_release(home)
    current = current_release(home).version if sealed else None
    rows = [
        {
            c.RELEASE_ID: manifest.version,
            c.AS_OF: manifest.as_of,
            c.KNOWN_AT: manifest.known_at,
            c.SEALED_AT: manifest.sealed_at,
            c.RANKER_VERSION: manifest.parameters[c.RANKER_VERSION],
            c.N_USERS: int(manifest.metrics[c.N_USERS]),
            N_ROWS: int(manifest.metrics[N_ROWS]),
            c.CONTENT_HASH: manifest.parameters[c.CONTENT_HASH],
            c.PREVIOUS_RELEASE_ID: manifest.inputs.get(PREVIOUS),
            c.IS_CURRENT: manifest.version == current,
            c.IS_PINNED: manifest.version == pinned,
            c.IS_STALE: _is_stale(manifest, sealed),
        }
        for manifest in sealed
    ]
    return pl.DataFrame(rows, schema=polars_schema(RELEASES.columns))


def current_release(home: Home) -> Manifest:
    """The release in force: the pinned one, else the last sealed of the greatest as_of. Raises NotReady without one."""
    sealed = _sealed(home)
    if not sealed:
        raise NotReady(_nothing_in_force(home))
    pinned = pinned_release(home)
    return sealed[-1] if pinned is None else _find(home, pinned)


def previous_release(home: Home, as_of: datetime) -> Manifest | None:
    """The last sealed release of the greatest as_of before an instant, None when there is none."""
    return _previous(_sealed(home), as_of)


def pinned_release(home: Home) -> str | None:
    """Id that the operator pinned, None when releases follow the greatest as_of."""
    pin = _pin(home)
    return pin.read_text(encoding="utf-8").strip() if pin.exists() else None


def find_release(home: Home, release_id: str) -> Manifest:
    """The manifest of a sealed release. Raises RecsError naming the known ones."""
    return _find(home, release_id)


def pin_release(home: Home, release_id: str) -> Manifest:
    """Put a release in force until it is unpinned, whatever is sealed meanwhile. Raises RecsError for an unknown id."""
    manifest = _find(home, release_id)
    replace_text(_pin(home), release_id + "\n")
    return manifest


def withdraw_release(home: Home, release_id: str) -> Manifest:
    """Take a release back: it is listed no more and never in force; a pin on it goes too. Its files are kept aside.

    What serving has of it is removed.

    Raises RecsError for an unknown id.
    """
    manifest = _find(home, release_id)
    if pinned_release(home) == release_id:
        unpin(home)
    move_artifact(home.artifacts, RELEASES_ARTIFACT, release_id, WITHDRAWN_ARTIFACT)
    from recs_platform.stages.releases.bundle import remove_bundles

    remove_bundles(home, release_id)
    return manifest


def is_withdrawn(home: Home, release_id: str) -> bool:
    """Whether a release was taken back and not sealed again since."""
    return is_sealed(home.artifacts, WITHDRAWN_ARTIFACT, release_id)


def unpin(home: Home) -> None:
    """Let the greatest sealed as_of be in force again; no pin is no error."""
    _pin(home).unlink(missing_ok=True)


def read_release(home: Home, release_id: str, *, user: str | None = None) -> pl.DataFrame:
    """Rows of recommendations.current for that release, of all users or one, by user and rank.

    Raises RecsError for an unknown id.
    """
    import polars as pl

    lists, shared = read_personal_lists(home, release_id), read_shared_lists(home, release_id)
    references = shared.references
    if user is not None:
        lists, references = (frame.filter(pl.col(c.USER_ID) == user) for frame in (lists, references))
    if references.height:
        theirs = expand(shared.lists, references).with_columns(pl.lit(release_id).alias(c.RELEASE_ID))
        lists = pl.concat([lists, theirs.select(lists.columns)])
    return lists.sort(c.USER_ID, c.RANK)


def read_personal_lists(home: Home, release_id: str) -> pl.DataFrame:
    """The same of users who have a list of their own. Raises RecsError for an unknown id."""
    import polars as pl

    lists = _complete(_read(home, release_id, LISTS_FILE)).with_columns(pl.lit(release_id).alias(c.RELEASE_ID))
    return lists.select(CURRENT.column_names).sort(c.USER_ID, c.RANK)


def read_shared_lists(home: Home, release_id: str) -> SharedRows:
    """Rows of recommendations.shared_lists and of recommendations.list_references for that release.

    None where everybody has a list of their own. Raises RecsError for an unknown id.
    """
    import polars as pl

    _find(home, release_id)
    folder = artifact(home.artifacts, RELEASES_ARTIFACT, release_id)
    if not (folder / REFERENCES_FILE).exists():
        return SharedRows(
            *(pl.DataFrame(schema=polars_schema(each.columns)) for each in (SHARED_LISTS, LIST_REFERENCES))
        )
    return SharedRows(_complete(pl.read_parquet(folder / SHARED_FILE)), pl.read_parquet(folder / REFERENCES_FILE))


def listed_users(home: Home, release_id: str) -> pl.Series:
    """Everybody whom the release serves, short lists included, sorted. Raises RecsError for an unknown id."""
    import polars as pl

    frames = (
        read_personal_lists(home, release_id),
        read_short_lists(home, release_id),
        read_shared_lists(home, release_id).references,
    )
    return pl.concat([frame.select(c.USER_ID) for frame in frames])[c.USER_ID].unique().sort()


def read_short_lists(home: Home, release_id: str) -> pl.DataFrame:
    """Rows of recommendations.short_lists for that release, by user. Raises RecsError for an unknown id."""
    return _read(home, release_id, SHORT_LISTS_FILE).select(SHORT_LISTS.column_names).sort(c.USER_ID)


def diff_releases(home: Home, a: str, b: str) -> ReleaseDiff:
    """Compare release `b` with release `a`. Raises RecsError for an unknown id."""
    import polars as pl

    before, after = (read_release(home, name).select(c.USER_ID, c.ITEM_ID) for name in (a, b))
    users_before, users_after = (set(frame[c.USER_ID].to_list()) for frame in (before, after))
    both = pl.DataFrame({c.USER_ID: sorted(users_before & users_after)}, schema={c.USER_ID: pl.String()})
    lengths = _lengths(before, after, both)
    kept, positions = int(lengths["common"].sum()), int(lengths["after"].sum())
    overlap = (lengths["common"] / lengths.select(pl.max_horizontal("before", "after")).to_series()).to_list()
    return ReleaseDiff(
        a,
        b,
        users_added=tuple(sorted(users_after - users_before)),
        users_removed=tuple(sorted(users_before - users_after)),
        users_in_both=both.height,
        changed_share=1.0 - kept / positions if positions else None,
        mean_overlap=sum(overlap) / len(overlap) if overlap else None,
        movers=_movers(before, after),
    )


def _lengths(before: pl.DataFrame, after: pl.DataFrame, users: pl.DataFrame) -> pl.DataFrame:
    """One row a user: items in each list and in both."""
    import polars as pl

    counts = users
    common = after.join(before, on=[c.USER_ID, c.ITEM_ID], how="semi")
    for name, frame in (("before", before), ("after", after), ("common", common)):
        counts = counts.join(frame.group_by(c.USER_ID).len(name), on=c.USER_ID, how="left")
    return counts.with_columns(pl.col("before", "after", "common").fill_null(0).cast(pl.Int64)).sort(c.USER_ID)


def _movers(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    counted = (
        before.group_by(c.ITEM_ID)
        .len("lists_before")
        .join(after.group_by(c.ITEM_ID).len("lists_after"), on=c.ITEM_ID, how="full", coalesce=True)
    )
    filled = counted.with_columns(pl.col("lists_before", "lists_after").fill_null(0).cast(pl.Int64))
    moved = filled.with_columns((pl.col("lists_after") - pl.col("lists_before")).alias("change"))
    ordered = moved.filter(pl.col("change") != 0).sort([pl.col("change").abs(), c.ITEM_ID], descending=[True, False])
    return ordered.head(MOVERS_MAX)


def _read(home: Home, release_id: str, file: str) -> pl.DataFrame:
    import polars as pl

    _find(home, release_id)
    return pl.read_parquet(artifact(home.artifacts, RELEASES_ARTIFACT, release_id) / file)


def _complete(lists: pl.DataFrame) -> pl.DataFrame:
    """Lists with the columns that older releases lack: nothing was drawn, and nobody held out."""
    import polars as pl

    added = {c.PROPENSITY_METHOD: pl.lit("exact"), c.IS_HOLDOUT: pl.lit(value=False)}
    return lists.with_columns(value.alias(name) for name, value in added.items() if name not in lists.columns)


def _sealed(home: Home) -> list[Manifest]:
    """Every release by as_of, then sealing instant, then id."""
    found = sealed_versions(home.artifacts, RELEASES_ARTIFACT)
    return sorted(found, key=lambda manifest: (manifest.as_of, manifest.sealed_at, manifest.version))


def _previous(sealed: list[Manifest], as_of: datetime) -> Manifest | None:
    earlier = [manifest for manifest in sealed if manifest.as_of < as_of]
    return earlier[-1] if earlier else None


def _is_stale(manifest: Manifest, sealed: list[Manifest]) -> bool:
    return any(other.as_of < manifest.as_of and other.sealed_at > manifest.sealed_at for other in sealed)


def _find(home: Home, release_id: str) -> Manifest:
    sealed = _sealed(home)
    for manifest in sealed:
        if manifest.version == release_id:
            return manifest
    known = ", ".join(manifest.version for manifest in sealed) or "none yet"
    if is_withdrawn(home, release_id):
        raise RecsError(f"release {release_id!r} was withdrawn; known: {known}")
    raise RecsError(f"no release {release_id!r}{did_you_mean(release_id, known.split(', ')) or f'; known: {known}'}")


def _nothing_in_force(home: Home) -> str:
    withdrawn = sealed_versions(home.artifacts, WITHDRAWN_ARTIFACT)
    if not withdrawn:
        return "nothing has been released yet; run `recs run` first"
    return (
        f"no release is in force: {withdrawn[-1].version} was withdrawn, and no other is left; land newer data, then "
        "`recs run`, or make the same again with `recs run --force`"
    )


def _pin(home: Home) -> Path:
    return home.artifacts / "releases.pin"


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
