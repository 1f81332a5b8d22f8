"""LightGBM's C library asked without its Python package, whose import takes longer than the answer about a person.

Only what explains a score is here; training and the rest are in `forest`.
"""

import ctypes
import importlib.util
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recs_platform.contracts.errors import ContractError

# LightGBM/c_api.h
_FLOAT32, _ROW_MAJOR, _CONTRIBUTIONS, _ALL_TREES = 0, 1, 3, -1


def forest_contributions(text: str, matrix: NDArray[np.float32], *, threads: int) -> NDArray[np.float64]:
    """What each feature adds to the raw score (TreeSHAP, Lundberg 2020): (n, features + 1), last the mean.

    The bytes that `Booster.predict(pred_contrib=True)` gives. Raises ContractError where the library refuses.
    """
    rows = np.ascontiguousarray(matrix, dtype=np.float32)
    count, width = rows.shape
    values = np.empty((count, width + 1), dtype=np.float64)
    written = ctypes.c_int64()
    with _forest(text) as forest:
        if _width(forest) != width:
            raise ContractError(f"the forest was grown on {_width(forest)} features, the rows have {width}")
        _call(
            "LGBM_BoosterPredictForMat",
            forest,
            ctypes.c_void_p(rows.ctypes.data),
            ctypes.c_int(_FLOAT32),
            ctypes.c_int32(count),
            ctypes.c_int32(width),
            ctypes.c_int(_ROW_MAJOR),
            ctypes.c_int(_CONTRIBUTIONS),
            ctypes.c_int(0),
            ctypes.c_int(_ALL_TREES),
            ctypes.c_char_p(f"num_threads={int(threads)} verbosity=-1".encode()),
            ctypes.byref(written),
            ctypes.c_void_p(values.ctypes.data),
        )
    if written.value != values.size:
        raise ContractError(f"LightGBM wrote {written.value} contributions, {values.size} were expected")
    return values


@contextmanager
def _forest(text: str) -> Generator[ctypes.c_void_p, None, None]:
    handle, iterations = ctypes.c_void_p(), ctypes.c_int()
    model = ctypes.c_char_p(text.encode())
    _call("LGBM_BoosterLoadModelFromString", model, ctypes.byref(iterations), ctypes.byref(handle))
    try:
        yield handle
    finally:
        _call("LGBM_BoosterFree", handle)


def _width(forest: ctypes.c_void_p) -> int:
    found = ctypes.c_int()
    _call("LGBM_BoosterGetNumFeature", forest, ctypes.byref(found))
    return found.value


def _call(name: str, *arguments: object) -> None:
    library = _library()
    if getattr(library, name)(*arguments) != 0:
        library.LGBM_GetLastError.restype = ctypes.c_char_p
        raise ContractError(f"LightGBM: {library.LGBM_GetLastError().decode()}")


@cache
def _library() -> ctypes.CDLL:
    """Where wheels have it; elsewhere, as with conda, the package knows."""
    package = importlib.util.find_spec("lightgbm")  # found, not imported
    if package is None or package.origin is None:
        raise ModuleNotFoundError("lightgbm is not installed")
    found = next((Path(package.origin).parent / "lib").glob("lib_lightgbm.*"), None)
    if found is not None:
        return ctypes.CDLL(str(found))
    from lightgbm.libpath import _LIB  # pyright: ignore[reportPrivateUsage]

    return _LIB
