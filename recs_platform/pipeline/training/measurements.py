"""What was measured at a window, sealed, so that neighbouring as-ofs measure it once.

What is measured is in `trials` and `evaluation`; windows, which decide it, are in `windows`.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import polars as pl

from recs_platform.contracts.manifests import Manifest, content_key
from recs_platform.lake.artifacts import (
    artifact,
    is_sealed,
    library_versions,
    remove_artifact,
    sealed_versions,
    write_artifact,
    write_manifest,
)
from recs_platform.pipeline.artifact_keys import BUILD
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.build_records import code_version
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.training.windows import WINDOWS

MEASUREMENTS = "measurements"
WINDOW = "window"
Frames = Mapping[str, pl.DataFrame]


def measured_once(
    run: AsOfRun, kind: str, window: Manifest, inputs: Mapping[str, Any], measure: Callable[[], Frames]
) -> dict[str, pl.DataFrame]:
    """Frames by name, as `measure` makes them: read where the same was sealed, else measured and sealed.

    `kind`: what is measured. `inputs`: all that decides it beside the window, the settings, the code, the libraries and
    the rules of the home, as JSON-like values.
    """
    root, version = run.platform.home.artifacts, _key(run, kind, window, inputs)
    if is_sealed(root, MEASUREMENTS, version):
        folder = artifact(root, MEASUREMENTS, version)
        return {file.stem: pl.read_parquet(file) for file in sorted(folder.glob("*.parquet"))}
    frames = dict(sorted(measure().items()))
    with write_artifact(root, MEASUREMENTS, version) as folder:
        for name, frame in frames.items():
            frame.write_parquet(folder / f"{name}.parquet")
        write_manifest(folder, _manifest(run, kind, window, version))
    return frames


def prune_measurements(platform: Platform) -> int:
    """Drop what was measured at windows that are no longer there; returns how many were dropped."""
    root = platform.home.artifacts
    stale = [each for each in sealed_versions(root, MEASUREMENTS) if not is_sealed(root, WINDOWS, each.inputs[WINDOW])]
    for each in stale:
        remove_artifact(root, MEASUREMENTS, each.version)
    return len(stale)


def _key(run: AsOfRun, kind: str, window: Manifest, inputs: Mapping[str, Any]) -> str:
    made_by = run.known.once("code of measurements", lambda: code_version(run.platform, run.known_at))
    return content_key({"kind": kind, WINDOW: window.version, "inputs": dict(inputs), "made_by": made_by})


def _manifest(run: AsOfRun, kind: str, window: Manifest, version: str) -> Manifest:
    return Manifest(
        name=MEASUREMENTS,
        version=version,
        as_of=window.as_of,
        known_at=run.known_at,
        data_version=window.data_version,
        seed=run.platform.settings.seed,
        parameters={"kind": kind},
        inputs={WINDOW: window.version},
        libraries=library_versions(*BUILD.libraries),
        sealed_at=datetime.now(UTC),
    )
