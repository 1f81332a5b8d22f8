"""A ranker's forest as a library of machine code: compiled and sealed, loaded where it fits, called.

Its C source is made in `forest_source`, LightGBM, which it must agree with bit by bit, is behind `forest`.
"""

import ctypes
import hashlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from recs_platform.contracts.errors import ContractError
from recs_platform.stages.ranking.c_compiler import (
    NO_COMPILER,
    Compiler,
    compile_library,
    find_compiler,
    machine_key,
)
from recs_platform.stages.ranking.forest import forest_dump, score_forest
from recs_platform.stages.ranking.forest_source import SCORE_FUNCTION, forest_source
from recs_platform.stages.ranking.forest_trials import trial_rows

SOURCE_FILE = "forest.c"
SEAL_FILE = "seal.json"

_ROWS_PER_THREAD_MIN = 10_000  # fewer are scored before a thread has started
_FLOAT_BYTES = 4


class CompileReport(BaseModel):
    """The seal: what was compiled, from which model, by what, for which machine; or the `reason` why nothing was."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    features: int
    source: str
    library: str | None = None
    machine: str
    compiler: str | None = None
    verified_rows: int = 0
    reason: str | None = None


class CompiledForest:
    """A loaded library; it holds no state, so that threads may share it."""

    def __init__(self, library: Path, features: int) -> None:
        function = getattr(ctypes.CDLL(str(library)), SCORE_FUNCTION)
        step = ctypes.c_int64
        function.argtypes = (ctypes.c_void_p, step, step, step, ctypes.c_void_p)
        function.restype = None
        self._function: Any = function
        self._features = features

    def score(self, matrix: NDArray[np.float32], threads: int) -> NDArray[np.float64]:
        """Raw scores (n,) of rows (n, features), read where they lie, in rows or in columns; threads change nothing.

        Raises ContractError for a matrix of another width or type, which would be read beyond its end.
        """
        if matrix.dtype != np.float32 or matrix.ndim != 2 or matrix.shape[1] != self._features:  # noqa: PLR2004
            raise ContractError(
                f"the compiled forest takes float32 (n, {self._features}), not {matrix.dtype} {matrix.shape};"
                " score with the ranker it was made from"
            )
        scores = np.empty(len(matrix), np.float64)
        parts = max(1, min(threads, len(matrix) // _ROWS_PER_THREAD_MIN))
        bounds = [len(matrix) * part // parts for part in range(parts + 1)]
        if parts == 1:
            self._score_part(matrix, scores, 0, len(matrix))
            return scores
        with ThreadPoolExecutor(parts) as pool:
            list(pool.map(partial(self._score_part, matrix, scores), bounds[:-1], bounds[1:]))
        return scores

    def _score_part(self, matrix: NDArray[np.float32], scores: NDArray[np.float64], start: int, end: int) -> None:
        rows, steps = matrix[start:end], [step // _FLOAT_BYTES for step in matrix.strides]
        self._function(rows.ctypes.data, end - start, *steps, scores[start:end].ctypes.data)


def compile_forest(folder: Path, model: str, training_rows: NDArray[np.float32] | None = None) -> CompileReport:
    """Compile a model text of LightGBM into `folder` and seal it; without a library where that cannot be done.

    The library must score `training_rows`, others drawn about the thresholds (10,000 together) and rows at every
    threshold with the same bits as LightGBM. No compiler, a failure of it and a difference are reasons, not errors.
    """
    dump, compiler = forest_dump(model), find_compiler()
    trees, features = dump["tree_info"], dump["max_feature_idx"] + 1
    source = folder / SOURCE_FILE
    source.write_text(forest_source(trees))
    if compiler is None:
        made: dict[str, Any] = {"reason": NO_COMPILER}
    else:
        made = {
            "compiler": compiler.version,
            **_compiled(compiler, source, model, trial_rows(trees, features, training_rows)),
        }
    report = CompileReport(
        model=_text_hash(model), features=features, source=_file_hash(source), machine=machine_key(), **made
    )
    (folder / SEAL_FILE).write_text(report.model_dump_json(indent=1) + "\n")
    return report


def read_report(folder: Path) -> CompileReport | None:
    """The seal of a folder; None where it has none that can be read."""
    try:
        return CompileReport.model_validate_json((folder / SEAL_FILE).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def load_compiled(folder: Path, model: str) -> CompiledForest | str:
    """The library that was compiled from a model text, or why it is not used here."""
    report = read_report(folder)
    if report is None:
        return "its forest was not compiled on this machine"
    reason = report.reason or _misfit(folder, report, model)
    if reason is not None:
        return reason
    return _opened(_library_file(folder, report), report.features)


def _library_file(folder: Path, report: CompileReport) -> Path:
    """Where the library of a seal is, or would be."""
    return _named(folder, report.library or "none")


def _text_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _misfit(folder: Path, report: CompileReport, model: str) -> str | None:
    if report.machine != machine_key():
        return "its forest was compiled for another machine"
    if report.model != _text_hash(model):
        return "the compiled forest is of another model"
    for file, sealed in ((folder / SOURCE_FILE, report.source), (_library_file(folder, report), report.library)):
        if not file.exists() or _file_hash(file) != sealed:
            return f"{file.name} is not the one that was sealed"
    return None


def _named(folder: Path, library_hash: str) -> Path:
    """A library bears its hash, for of two under one path a process that has loaded the first never sees the second."""
    return folder / f"forest-{library_hash[:16]}.so"


def _opened(library: Path, features: int) -> CompiledForest | str:
    try:
        return CompiledForest(library, features)
    except (OSError, AttributeError) as error:
        return f"{library.name} cannot be loaded: {error}"


def _compiled(compiler: Compiler, source: Path, model: str, rows: NDArray[np.float32]) -> dict[str, Any]:
    """What the seal says of a library that agrees with LightGBM on `rows`, or why there is none."""
    made = source.with_suffix(".so")
    fault = compile_library(compiler, source, made)
    if fault is not None:
        return {"reason": fault}
    sealed = _file_hash(made)
    library = made.rename(_named(source.parent, sealed))
    fault = _difference(_opened(library, rows.shape[1]), model, rows)
    if fault is not None:
        library.unlink()
        return {"reason": fault}
    return {"library": sealed, "verified_rows": len(rows)}


def _difference(compiled: CompiledForest | str, model: str, rows: NDArray[np.float32]) -> str | None:
    if isinstance(compiled, str):
        return compiled
    expected, found = score_forest(model, rows, threads=1), compiled.score(rows, 1)
    count = np.count_nonzero(expected.view(np.int64) != found.view(np.int64))
    return f"the compiled forest differs from LightGBM in {count} of {len(rows)} rows" if count else None


def _file_hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
