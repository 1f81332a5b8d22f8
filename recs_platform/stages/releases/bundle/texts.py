"""Texts as two arrays, offsets and UTF-8 bytes, so that a million of them can be mapped."""

# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

OFFSETS, TEXT = "offsets", "text"
Arrays = Mapping[str, NDArray[np.generic]]


def pack_texts(name: str, texts: Sequence[str]) -> dict[str, NDArray[np.generic]]:
    """`<name>.offsets` int64 (n + 1,) and `<name>.text` uint8."""
    encoded = [text.encode("utf-8") for text in texts]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum([len(each) for each in encoded], out=offsets[1:])
    return {f"{name}.{OFFSETS}": offsets, f"{name}.{TEXT}": np.frombuffer(b"".join(encoded), dtype=np.uint8)}


def view_of(array: NDArray[Any]) -> memoryview:
    """An array that gives one number, or a few bytes, in a fifth of the time that numpy needs."""
    return memoryview(cast("Any", array))


class PackedTexts:
    """Texts by position."""

    def __init__(self, arrays: Arrays, name: str) -> None:
        self._offsets, self._text = view_of(arrays[f"{name}.{OFFSETS}"]), view_of(arrays[f"{name}.{TEXT}"])

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def remembering(self, count_max: int | None = None) -> RememberedTexts:
        """The same, each text decoded once: for texts that are asked for again and again; at most so many are kept."""
        return RememberedTexts(self, count_max)

    def __getitem__(self, place: int) -> str:
        return str(self._text[self._offsets[place] : self._offsets[place + 1]], "utf-8")

    def all(self) -> list[str]:
        """Every text, in order."""
        return [self[place] for place in range(len(self))]


def text_series(arrays: Arrays, name: str) -> pl.Series:
    """Every text, in order, without a Python object for each."""
    import polars as pl
    import pyarrow as pa

    offsets, text = (pa.py_buffer(np.ascontiguousarray(arrays[f"{name}.{part}"])) for part in (OFFSETS, TEXT))
    return pl.Series(
        values=_Exported(pa.LargeStringArray.from_buffers(len(arrays[f"{name}.{OFFSETS}"]) - 1, offsets, text))
    )


class _ArrowArray(Protocol):
    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]: ...


class _Exported:
    """An Arrow array by its C interface alone: of one that it knows, Polars loads all of `pyarrow.compute` first."""

    def __init__(self, array: _ArrowArray) -> None:
        self.__arrow_c_array__ = array.__arrow_c_array__


class RememberedTexts(dict[int, str]):
    """Texts by position, decoded when they are first asked for and kept from then on."""

    def __init__(self, texts: PackedTexts, count_max: int | None = None) -> None:
        super().__init__()
        self._texts, self._count_max = texts, count_max

    def __missing__(self, place: int) -> str:
        text = self._texts[place]
        if self._count_max is None or len(self) < self._count_max:
            self[place] = text
        return text
