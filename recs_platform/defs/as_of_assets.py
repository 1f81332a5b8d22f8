"""How an as-of asset is declared: one decorator, so that all of them are partitioned, locked, owned and described."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from recs_platform.contracts.tables import TableContract
from recs_platform.defs import metadata
from recs_platform.defs.partitions import AS_OF_PARTITIONS, INPUTS_KEY
from recs_platform.defs.resources import AsOfResource

Results = Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]
RAW = "raw"
Body = Callable[[dg.AssetExecutionContext, AsOfResource], Results]


def with_inputs(key: dg.AssetKey, deps: Iterable[dg.AssetKey]) -> list[dg.AssetKey]:
    """Dependencies of an as-of asset: whatever reads raw tables goes by the inputs of its as-of."""
    given = list(deps)
    reads_raw = any(dep.path[0] == RAW for dep in given)
    return [*given, INPUTS_KEY] if reads_raw and key != INPUTS_KEY else given


def as_of_asset(
    key: dg.AssetKey,
    *,
    group: str,
    deps: Iterable[dg.AssetKey],
    kinds: Iterable[str],
    description: str,
    schema: dg.TableSchema | None = None,
    check_specs: Sequence[dg.AssetCheckSpec] = (),
    code_version: str | None = None,
    freshness: dg.FreshnessPolicy | None = None,
    retry_policy: dg.RetryPolicy | None = None,
) -> Callable[[Body], dg.AssetsDefinition]:
    """An asset of one table or artifact; `schema` is given where it is a table. The body yields its result."""
    return dg.asset(
        key=key,
        deps=with_inputs(key, deps),
        description=description,
        group_name=group,
        kinds=set(kinds),
        owners=metadata.OWNERS,
        partitions_def=AS_OF_PARTITIONS,
        check_specs=list(check_specs),
        code_version=code_version,
        freshness_policy=freshness,
        retry_policy=retry_policy,
        metadata={} if schema is None else metadata.definition_metadata(key, schema),
    )


def as_of_tables(
    name: str,
    contracts: Iterable[TableContract],
    *,
    group: str,
    deps: Iterable[dg.AssetKey],
    kinds: Iterable[str],
    check_specs: Sequence[dg.AssetCheckSpec] = (),
) -> Callable[[Body], dg.AssetsDefinition]:
    """One step that writes several contract tables together. The body yields a result a table."""
    return dg.multi_asset(
        name=name,
        specs=[contract_spec(contract, group=group, deps=deps, kinds=kinds) for contract in contracts],
        check_specs=list(check_specs),
        partitions_def=AS_OF_PARTITIONS,
    )


def contract_spec(
    contract: TableContract, *, group: str, deps: Iterable[dg.AssetKey], kinds: Iterable[str]
) -> dg.AssetSpec:
    """The asset of a contract table that a step writes with others."""
    about = metadata.contract_metadata(contract)
    return table_spec(contract.name, contract.description, about, group=group, deps=deps, kinds=kinds)


def table_spec(
    name: str,
    description: str,
    about: Mapping[str, Any],
    *,
    group: str,
    deps: Iterable[dg.AssetKey],
    kinds: Iterable[str],
    code_version: str | None = None,
) -> dg.AssetSpec:
    """The asset of a table that a step writes with others; `about` is its metadata."""
    key = metadata.asset_key(name)
    return dg.AssetSpec(
        key,
        deps=with_inputs(key, deps),
        group_name=group,
        owners=metadata.OWNERS,
        kinds=set(kinds),
        description=description,
        code_version=code_version,
        metadata=about,
    )
