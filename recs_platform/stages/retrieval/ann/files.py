"""An index in a folder: vectors, items, structure and report."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from recs_platform.contracts.errors import ContractError
from recs_platform.stages.retrieval.ann import faiss_adapter
from recs_platform.stages.retrieval.ann.item_index import ItemIndex
from recs_platform.stages.retrieval.ann.report import IndexReport
from recs_platform.stages.retrieval.ann.structure import Structure, most_effort

_ITEMS = "items.npy"
_VECTORS = "vectors.npy"
_LABELS = "labels.npy"
_STRUCTURE = "index.faiss"
_REPORT = "report.json"


def save_index(index: ItemIndex, folder: Path) -> None:
    """Write items.npy, vectors.npy, report.json and, for an approximate index, index.faiss and labels.npy."""
    np.save(folder / _ITEMS, index.items)
    np.save(folder / _VECTORS, index.vectors)
    (folder / _REPORT).write_text(index.report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if index.structure is not None:
        faiss_adapter.write(index.structure.faiss, folder / _STRUCTURE)
        np.save(folder / _LABELS, index.structure.labels)


def load_index(
    folder: Path, vectors: NDArray[np.float32] | None = None, ids: NDArray[np.object_] | None = None
) -> ItemIndex:
    """Read what `save_index` wrote, and check that it was built of `vectors` and `ids`, where they are given.

    Raises ContractError for an index older than its items, and for files that do not belong together.
    """
    report = load_report(folder)
    if vectors is not None:
        report.check_same(vectors, ids)
    items: NDArray[np.int32] = np.load(folder / _ITEMS)
    held: NDArray[np.float32] = np.load(folder / _VECTORS)
    structure = None if report.kind == "exact" else _structure(folder, report)
    labelled = report.items if structure is None else len(structure.labels)
    if {len(items), labelled} != {report.items} or held.shape != (report.items, report.dimensions):
        raise ContractError(
            f"the index in {folder.name} reports {report.items} items of {report.dimensions} dimensions and holds "
            f"{len(items)} items and vectors of shape {held.shape}; materialize `item_index` again"
        )
    return ItemIndex(items, held, report, structure)


def load_report(folder: Path) -> IndexReport:
    """The report alone. Raises ContractError where there is none, or one that cannot be read."""
    try:
        return IndexReport.model_validate_json((folder / _REPORT).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValidationError) as error:
        raise ContractError(
            f"the index in {folder.name} has no {_REPORT} that can be read; materialize `item_index` again"
        ) from error


def _structure(folder: Path, report: IndexReport) -> Structure:
    labels = np.load(folder / _LABELS)
    try:
        held = faiss_adapter.read(folder / _STRUCTURE)
    except RuntimeError as error:
        raise ContractError(f"{_STRUCTURE} in {folder.name} cannot be read; materialize `item_index` again") from error
    if faiss_adapter.count(held) < len(labels):
        raise ContractError(
            f"{_STRUCTURE} in {folder.name} holds {faiss_adapter.count(held)} vectors of {len(labels)}; "
            "materialize `item_index` again"
        )
    config = report.config
    most = most_effort(config, report.lists, len(labels))
    return Structure(report.kind, held, labels, report.lists, most, report.effort, report.radius, config.target_n)
