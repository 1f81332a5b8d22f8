"""Sealed releases without some of their users, under the same id; the manifest says how often that was done.

Bundles are in `bundle.removing`. The hash of the content in a release's id is that of the lists as they were sealed.
"""

from collections.abc import Collection
from pathlib import Path

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import Manifest
from recs_platform.lake.artifacts import MANIFEST_FILE, artifact
from recs_platform.lake.disk import flush, replace_text
from recs_platform.lake.whole_files import read_whole
from recs_platform.stages.releases.files import (
    EXPIRY_FILE,
    LISTS_FILE,
    N_ROWS,
    REFERENCES_FILE,
    RELEASES_ARTIFACT,
    SHORT_LISTS_FILE,
    SURFACE_FILE,
    WITHDRAWN_ARTIFACT,
)

FORGOTTEN = "forgotten"
HOLD_RELEASES = (RELEASES_ARTIFACT, WITHDRAWN_ARTIFACT)
_FILES = (LISTS_FILE, SHORT_LISTS_FILE, REFERENCES_FILE, SURFACE_FILE, EXPIRY_FILE)


def count_in_release(artifacts: Path, name: str, manifest: Manifest, user_ids: Collection[str]) -> int:
    """Rows of the users in a release, in force or withdrawn."""
    folder = artifacts / name / manifest.version  # looking into it is no use of it
    return sum(int(_is_theirs(file, user_ids).sum()) for each in _FILES if (file := folder / each).exists())


def remove_from_release(artifacts: Path, name: str, manifest: Manifest, user_ids: Collection[str]) -> Manifest:
    """Rewrite the files of a release without the users, then its manifest; each is whole at any moment."""
    folder = artifact(artifacts, name, manifest.version)
    for file in (folder / each for each in _FILES):
        if file.exists() and _is_theirs(file, user_ids).any():
            replace_parquet(file, read_whole(file).filter(~pl.col(c.USER_ID).is_in(list(user_ids))))
    lists = read_whole(folder / LISTS_FILE)
    references = folder / REFERENCES_FILE
    lengths = read_whole(references)[c.LIST_LENGTH] if references.exists() else pl.Series(dtype=pl.Int64)
    metrics = {
        **manifest.metrics,
        c.N_USERS: float(lists[c.USER_ID].n_unique() + len(lengths)),
        N_ROWS: float(lists.height + int(lengths.sum())),
    }
    times = int(manifest.parameters.get(FORGOTTEN, 0)) + 1
    made = manifest.model_copy(update={"metrics": metrics, "parameters": {**manifest.parameters, FORGOTTEN: times}})
    replace_text(folder / MANIFEST_FILE, made.model_dump_json(indent=2) + "\n")
    return made


def replace_parquet(file: Path, rows: pl.DataFrame) -> None:
    """Put rows in the place of a file's, whole or not at all."""
    aside = file.with_name(f"{file.name}.tmp")
    rows.write_parquet(aside)
    flush((aside,))
    aside.replace(file)
    flush((file.parent,))


def _is_theirs(file: Path, user_ids: Collection[str]) -> pl.Series:
    return read_whole(file, [c.USER_ID])[c.USER_ID].is_in(list(user_ids))
