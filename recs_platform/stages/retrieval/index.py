# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportCallIssue=false, reportAttributeAccessIssue=false
"""Exact inner-product search over the items that may be recommended: the only reader of faiss.

What was consumed, and how scores are compared across users, is not known here.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recs_platform.stages.retrieval.embeddings import Embeddings
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.threads import limited

_INDEX_FILE = "index.faiss"
_ITEMS_FILE = "items.npy"


@dataclass(frozen=True, eq=False)
class ItemIndex:
    """A flat FAISS index; `items` holds the item code (int32) of each of its vectors, ascending."""

    items: NDArray[np.int32]
    index: Any

    def search(
        self, queries: NDArray[np.float32], n: int, *, threads: int = 1
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Item codes int32 and inner products float32, both (n_queries, min(n, indexed items)), best first."""
        width = min(n, len(self.items))
        if not width or not len(queries):
            shape = (len(queries), width)
            return np.zeros(shape, dtype=np.int32), np.zeros(shape, dtype=np.float32)
        with limited(threads):
            scores, places = self.index.search(np.ascontiguousarray(queries, dtype=np.float32), width)
        return self.items[places], scores


def build_index(problem: RetrievalProblem, embeddings: Embeddings) -> ItemIndex:
    """Index the eligible items that have a vector; one without a positive matches nobody and is left out."""
    from faiss import IndexFlatIP

    known = embeddings.item_factors.any(axis=1)
    items = np.flatnonzero(problem.eligible & known).astype(np.int32)
    index = IndexFlatIP(embeddings.item_factors.shape[1])
    index.add(np.ascontiguousarray(embeddings.item_factors[items]))
    return ItemIndex(items, index)


def save_index(index: ItemIndex, folder: Path) -> None:
    """Write index.faiss and items.npy into `folder`."""
    from faiss import write_index

    write_index(index.index, str(folder / _INDEX_FILE))
    np.save(folder / _ITEMS_FILE, index.items)


def load_index(folder: Path) -> ItemIndex:
    """Read what `save_index` wrote."""
    from faiss import read_index

    return ItemIndex(np.load(folder / _ITEMS_FILE), read_index(str(folder / _INDEX_FILE)))
