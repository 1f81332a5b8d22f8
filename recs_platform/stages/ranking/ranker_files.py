"""A ranker as files: its head as JSON, its forest as LightGBM's text, sealed together by a hash."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from recs_platform.contracts.errors import ContractError, NotReady
from recs_platform.contracts.features import Feature, FeatureSet
from recs_platform.lake.whole_files import OF_AN_ARTIFACT, whole_text
from recs_platform.stages.ranking.compiled_forest import load_compiled
from recs_platform.stages.ranking.ranker import NOT_ASKED_FOR, Ranker

_RANKER_FILE = "ranker.json"
_FOREST_FILE = "forest.txt"
# What only their last lines hold.
_RANKER_END, _FOREST_END = "\n}", "\npandas_categorical:"
_SEAL = "seal"


def save_ranker(folder: Path, ranker: Ranker) -> None:
    """Write ranker.json and, for a forest, forest.txt into an existing folder."""
    features = [asdict(feature) for feature in ranker.feature_set.features]
    head = {"kind": ranker.kind, "fusion_weight": ranker.fusion_weight, "metrics": ranker.metrics, "features": features}
    sealed = {_SEAL: _seal(head, ranker.booster_text), **head}
    (folder / _RANKER_FILE).write_text(json.dumps(sealed, indent=1))
    if ranker.kind == "lightgbm":
        (folder / _FOREST_FILE).write_text(ranker.booster_text)


def load_ranker(folder: Path, compiled: Path | str = NOT_ASKED_FOR) -> Ranker:
    """Read what `save_ranker` wrote.

    `compiled`: the folder into which `compile_forest` may have compiled it, used if that is of this forest and this
    machine; or why none is looked for.

    Raises NotReady when the folder holds no ranker, ContractError for half of one, or one that was changed since.
    """
    if not (folder / _RANKER_FILE).exists():
        raise NotReady(f"no ranker in {folder.name}; materialize `ranking` first")
    written = whole_text(folder / _RANKER_FILE, _RANKER_END)
    try:
        head = json.loads(written)
    except ValueError as error:
        raise _damaged(folder) from error
    text = whole_text(folder / _FOREST_FILE, _FOREST_END) if head.get("kind") == "lightgbm" else ""
    seal = head.pop(_SEAL, None)  # earlier versions wrote none
    if seal is not None and seal != _seal(head, text):
        raise _damaged(folder)
    feature_set = FeatureSet(tuple(Feature(**feature) for feature in head["features"]))
    ranker = Ranker(head["kind"], feature_set, text, head["fusion_weight"], head["metrics"])
    if isinstance(compiled, Path) and ranker.kind == "lightgbm":
        return replace(ranker, compiled=load_compiled(compiled, text))
    return replace(ranker, compiled=str(compiled))


def _damaged(folder: Path) -> ContractError:
    return ContractError(
        f"{folder} is damaged: {_RANKER_FILE} and {_FOREST_FILE} are not the ranker that was sealed; "
        f"restore them from a copy of the home, {OF_AN_ARTIFACT}"
    )


def _seal(head: Mapping[str, object], text: str) -> str:
    return hashlib.sha256((json.dumps(head, sort_keys=True) + text).encode()).hexdigest()
