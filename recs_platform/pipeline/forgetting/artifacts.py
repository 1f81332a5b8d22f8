"""One person out of sealed artifacts: releases and bundles are rewritten, what can be made again is removed.

Rankers hold no id, but learned from the person: they are retired, at once or in some days, and another is trained.
"""

import shutil
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.home import Home
from recs_platform.contracts.time import parse_instant
from recs_platform.lake.artifacts import MANIFEST_FILE, remove_artifact, sealed_versions
from recs_platform.lake.processes import is_abandoned
from recs_platform.lake.whole_files import collect_whole
from recs_platform.pipeline.forgetting.who import PERSON_COLUMNS
from recs_platform.stages import ranking
from recs_platform.stages.ranking.overrides import Override, read_overrides, write_override
from recs_platform.stages.releases.bundle.removing import count_in_bundle, remove_from_bundle, sealed_bundles
from recs_platform.stages.releases.bundle.writing import SERVING_ARTIFACT
from recs_platform.stages.releases.removing import HOLD_RELEASES, count_in_release, remove_from_release

Note = Callable[[str, int], None]
# Builds list who opted out where other subjects have the hash of a file.
_NAMING = (*PERSON_COLUMNS, c.FILE_HASH)
_REASON = "it learned from somebody who was forgotten"


def erase_artifacts(home: Home, ids: Collection[str], note: Note, *, dry_run: bool) -> None:
    """Rewrite or remove every artifact that holds one of the ids; leftovers of dead processes go too.

    Whoever publishes, or brings up to date what is served, comes before or after: they copy what is there.
    """
    root = home.artifacts
    for place, rows, erase in _holding(root, ids):
        note(f"artifacts/{place}", rows)
        if not dry_run:
            erase()
    if not dry_run:
        _remove_abandoned(root)


def _holding(root: Path, ids: Collection[str]) -> Iterator[tuple[str, int, Callable[[], object]]]:
    """Artifacts with rows of the ids: name and version, how many, and what rids the artifact of them."""
    for name in HOLD_RELEASES:
        for manifest in sealed_versions(root, name):
            if rows := count_in_release(root, name, manifest, ids):
                yield f"{name}/{manifest.version}", rows, partial(remove_from_release, root, name, manifest, ids)
    for manifest in sealed_bundles(root):
        if rows := count_in_bundle(root, manifest, ids):
            place = f"{SERVING_ARTIFACT}/{manifest.version}"
            yield place, rows, partial(remove_from_bundle, root, manifest, ids)
    for folder in _others(root):
        if rows := _rows_in(folder, ids):
            name = folder.parent.name
            yield f"{name}/{folder.name}", rows, partial(remove_artifact, root, name, folder.name)


def rankers_of(home: Home, since: datetime | None, now: datetime) -> list[str]:
    """Rankers that may have learned from events since an instant, and serve still; none without an instant."""
    if since is None:
        return []
    retired = read_overrides(home.artifacts).known_at(now).retired
    sealed = sealed_versions(home.artifacts, ranking.RANKER)
    ends = {each.version: parse_instant(each.parameters[ranking.LABELS_END]) for each in sealed}
    return sorted(version for version, end in ends.items() if end > since and version not in retired)


def retire_rankers(home: Home, versions: Collection[str], at: datetime, until: datetime | None = None) -> None:
    """Let rankers serve no more, as an operator's word would, or not after an instant.

    A pin on one of them is lifted, unless it may serve on; then the pin counts until it may not. Those that are to
    be retired sooner, for somebody who was forgotten before, are left to that.
    """
    overrides = read_overrides(home.artifacts)
    if until is None and overrides.pinned is not None and overrides.pinned.version in versions:
        write_override(home.artifacts, Override(action="unpin", reason=_REASON, at=at))
    sooner = () if until is None else set(overrides.retired) - set(overrides.serving_on(until))
    for version in sorted(set(versions) - set(sooner)):
        said = Override(action="retire", version=version, reason=_REASON, at=at, serves_until=until)
        write_override(home.artifacts, said)


def _others(root: Path) -> list[Path]:
    rewritten = {*HOLD_RELEASES, SERVING_ARTIFACT}
    found = (file.parent for file in root.glob("*/*/manifest.json"))
    return sorted(folder for folder in found if folder.parent.name not in rewritten and ".tmp-" not in folder.name)


def _rows_in(folder: Path, ids: Collection[str]) -> int:
    rows = 0
    for file in folder.rglob("*.parquet"):
        schema = pl.read_parquet_schema(file)
        columns = [name for name in _NAMING if schema.get(name) == pl.String()]
        if columns:
            is_theirs = pl.any_horizontal(pl.col(name).is_in(list(ids)) for name in columns)
            rows += collect_whole(pl.scan_parquet(file).select(columns).filter(is_theirs), file).height
    return rows


def _remove_abandoned(root: Path) -> None:
    """Unsealed folders of dead processes, and what a kill left of artifacts whose manifest is gone already."""
    for folder in root.glob("*/*/"):
        if ".tmp-" not in folder.name and not (folder / MANIFEST_FILE).exists():
            shutil.rmtree(folder)
    for folder in root.glob("*/*.tmp-*"):
        if is_abandoned(folder.name.rpartition(".tmp-")[2]):
            shutil.rmtree(folder, ignore_errors=True)
