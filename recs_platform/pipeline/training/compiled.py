"""Champions as machine code: each compiled once on a machine, as an artifact of its own beside the ranker's.

A ranker's key does not depend on the compiler: with or without one, the scores are the same.
"""

import time
from datetime import UTC, datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.time import parse_instant
from recs_platform.lake.artifacts import (
    artifact,
    is_sealed,
    read_manifest,
    remove_artifact,
    sealed_versions,
    write_artifact,
    write_manifest,
)
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.training.windows import WINDOWS, read_window
from recs_platform.stages import ranking

COMPILED = "compiled"
SECONDS = "seconds"

_OFF = "ranking.compile is off"


def compile_champion(platform: Platform, champion: Manifest) -> str:
    """Compile a sealed ranker unless that was done on this machine; returns `yes` with compiler and time, or why not.

    What could not be compiled is tried again when another compiler, or the first, is installed; what does not fit its
    seal is made again.
    """
    ranker = ranking.load_ranker(artifact(platform.home.artifacts, ranking.RANKER, champion.version))
    if ranker.kind == "fusion":
        return "no: it has no forest, it ranks by fused score"
    if not platform.settings.ranking.compile:
        return f"no: {_OFF}"
    root, version = platform.home.artifacts, _version(champion.version)
    if is_sealed(root, COMPILED, version) and _is_to_be_made_again(platform, champion.version):
        remove_artifact(root, COMPILED, version)
    if not is_sealed(root, COMPILED, version):
        _seal(platform, champion, ranker)
    return _summary(read_manifest(artifact(root, COMPILED, version)))


def open_scorer(platform: Platform, version: str) -> ranking.Ranker:
    """The sealed ranker of that version, compiled where `compile_champion` did so on this machine.

    Its `scored_by` says which, and why if LightGBM scores. Raises NotReady when the ranker is not sealed.
    """
    folder = artifact(platform.home.artifacts, ranking.RANKER, version)
    if not platform.settings.ranking.compile:
        return ranking.load_ranker(folder, compiled=_OFF)
    return ranking.load_ranker(folder, compiled=platform.home.artifacts / COMPILED / _version(version))


def _version(ranker: str) -> str:
    return f"{ranker}-{ranking.machine_key()}"


def _is_to_be_made_again(platform: Platform, ranker: str) -> bool:
    """Whether its files do not fit their seal, or it could not be compiled by another compiler than today's."""
    report = ranking.read_report(artifact(platform.home.artifacts, COMPILED, _version(ranker)))
    if report is None or report.reason is None:
        return open_scorer(platform, ranker).scored_by != ranking.COMPILED_FOREST
    compiler = ranking.find_compiler()
    return compiler is not None and compiler.version != report.compiler


def _seal(platform: Platform, champion: Manifest, ranker: ranking.Ranker) -> None:
    version = _version(champion.version)
    with write_artifact(platform.home.artifacts, COMPILED, version) as folder:
        started = time.perf_counter()
        report = ranking.compile_forest(folder, ranker.booster_text, _training_rows(platform, champion, ranker))
        changes = {
            "name": COMPILED,
            "version": version,
            "parameters": report.model_dump(),
            "inputs": {ranking.RANKER: champion.version},
            "metrics": {SECONDS: round(time.perf_counter() - started, 1), "verified_rows": report.verified_rows},
            "sealed_at": datetime.now(UTC),
        }
        write_manifest(folder, champion.model_copy(update=changes))


def _training_rows(platform: Platform, champion: Manifest, ranker: ranking.Ranker) -> NDArray[np.float32] | None:
    """Rows of the latest window there is of a cutoff that the ranker learned from; None where all are gone."""
    cutoffs = {parse_instant(cutoff) for cutoff in champion.parameters["cutoffs"]}
    windows = [each for each in sealed_versions(platform.home.artifacts, WINDOWS) if each.as_of in cutoffs]
    rows = read_window(platform, windows[-1].version).rows if windows else pl.DataFrame()
    if not set(ranker.feature_set_names) <= set(rows.columns):
        return None
    return ranking.feature_matrix(rows, ranker.feature_set)


def _summary(manifest: Manifest) -> str:
    report, seconds = manifest.parameters, manifest.metrics[SECONDS]
    if report["reason"] is not None:
        return f"no: {report['reason']}"
    return f"yes ({report['compiler']}, {seconds:g} s, {report['verified_rows']:,} rows verified)"
