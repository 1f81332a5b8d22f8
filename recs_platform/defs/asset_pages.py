"""What the page of every asset shows beside its metadata: where its code is, its SQL, how it matters, whom it is about.

Which tables there are and what they hold is told by `metadata` and the contracts.
"""

import inspect
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from recs_platform.contracts import columns as c
from recs_platform.defs.assets import ranking, retrieval
from recs_platform.defs.in_force import IN_FORCE_KEY
from recs_platform.defs.landing_assets import LANDING
from recs_platform.defs.made_assets import LAST_KEY, RELEASE_KEY
from recs_platform.pipeline.platform import Platform
from recs_platform.warehouse.models import Model

TIER, PERSONAL_DATA = "tier", "personal_data"
# What fails there stops a release, or what is shown of it; of the rest nothing that is served is made.
RELEASE_TIER, INSIGHT_TIER = "release", "insight"
YES, NO = "yes", "no"
SQL, CODE = "sql", "dagster/code_references"
# A row with one of them is about somebody; a rejected record may be.
_OF_PEOPLE = {c.USER_ID, c.ANONYMOUS_ID, c.EVENT_ID, c.PAYLOAD}
# Of artifacts, which have no columns.
_ARTIFACTS_OF_PEOPLE = {retrieval.EMBEDDINGS_KEY, ranking.TRAINING_SET_KEY, RELEASE_KEY, LAST_KEY}


def with_pages(
    platform: Platform, assets: Sequence[dg.AssetsDefinition | dg.AssetSpec]
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The assets with code references, SQL and the tags `tier` and `personal_data`."""
    needed = _needed_for_a_release(assets)
    models = {tuple(model.name.split(".")): model for model in platform.models}

    def paged(spec: dg.AssetSpec, function: Callable[..., Any] | None, is_needed: bool) -> dg.AssetSpec:
        model = models.get(tuple(spec.key.path))
        tags = {TIER: RELEASE_TIER if is_needed else INSIGHT_TIER, PERSONAL_DATA: YES if _is_of_people(spec) else NO}
        return spec.replace_attributes(  # pyright: ignore[reportUnknownMemberType]
            tags={**spec.tags, **tags}, metadata={**spec.metadata, **_code(model, function)}
        )

    return [
        asset.map_asset_specs(_paging(paged, _body(asset), not needed.isdisjoint(asset.keys)))
        if isinstance(asset, dg.AssetsDefinition)
        else paged(asset, None, asset.key in needed)
        for asset in assets
    ]


def _paging(
    paged: Callable[[dg.AssetSpec, Callable[..., Any] | None, bool], dg.AssetSpec],
    function: Callable[..., Any] | None,
    is_needed: bool,
) -> Callable[[dg.AssetSpec], dg.AssetSpec]:
    """Whatever one step makes fails together."""
    return lambda spec: paged(spec, function, is_needed)


def _needed_for_a_release(assets: Iterable[dg.AssetsDefinition | dg.AssetSpec]) -> set[dg.AssetKey]:
    """Everything that a release is made of, and what shows it."""
    specs = {
        spec.key: spec
        for asset in assets
        for spec in (asset.specs if isinstance(asset, dg.AssetsDefinition) else (asset,))
    }
    found, waiting = {LAST_KEY, IN_FORCE_KEY}, [RELEASE_KEY]
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting.extend(dep.asset_key for dep in specs[key].deps)
    return found


def _is_of_people(spec: dg.AssetSpec) -> bool:
    schema = spec.metadata.get("dagster/column_schema")
    if isinstance(schema, dg.TableSchema):
        return not _OF_PEOPLE.isdisjoint(column.name for column in schema.columns)
    return spec.key in _ARTIFACTS_OF_PEOPLE or spec.key.path[0] == LANDING


def _body(asset: dg.AssetsDefinition) -> Callable[..., Any] | None:
    """The function of its step; None where it has none."""
    found = getattr(asset.op.compute_fn, "decorated_fn", None)
    return found if callable(found) else None


def _code(model: Model | None, function: Callable[..., Any] | None) -> Mapping[str, Any]:
    """The model's SQL, if there is one, and links to its file and to the step's."""
    shown = {} if model is None else {SQL: dg.MetadataValue.md(f"```sql\n{model.path.read_text().strip()}\n```")}
    files: list[tuple[Path, int, str]] = []
    if model is not None:
        files.append((model.path.absolute(), 1, "SQL"))
    if function is not None:
        plain = inspect.unwrap(function)
        files.append((Path(plain.__code__.co_filename).absolute(), plain.__code__.co_firstlineno, "Python"))
    return {**shown, **({CODE: _references(files)} if files else {})}


def _references(files: Collection[tuple[Path, int, str]]) -> dg.CodeReferencesMetadataValue:
    with warnings.catch_warnings():
        # Beta in Dagster 1.13, and the only way to these links.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.CodeReferencesMetadataValue(
            code_references=[
                dg.LocalFileCodeReference(file_path=str(path), line_number=line, label=label)
                for path, line, label in files
            ]
        )
