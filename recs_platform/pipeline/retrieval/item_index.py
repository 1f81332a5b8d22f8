"""Retrieval artifacts of an as-of: the index over its embeddings, sealed, and the fit that candidates come from."""

from collections.abc import Mapping

import polars as pl

from recs_platform.lake.artifacts import artifact, is_sealed, write_artifact, write_manifest
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval.embeddings import (
    EMBEDDINGS,
    base_as_of,
    embeddings_key,
    retrieval_manifest,
    seal_embeddings,
    sealed_embeddings,
)
from recs_platform.pipeline.retrieval.inputs import history_problem, profiled_problem, run_config
from recs_platform.stages import retrieval

ITEM_INDEX = "item_index"


def seal_index(run: AsOfRun) -> tuple[str, bool]:
    """Build, or refresh, and seal unless sealed already; returns the version and whether it was reused.

    Where the embeddings were folded in and search is approximate, the index of what they were folded from is sealed
    first and brought up to date.
    """
    root, version = run.platform.home.artifacts, embeddings_key(run)
    if is_sealed(root, ITEM_INDEX, version):
        return version, True
    embeddings, older = sealed_embeddings(run.platform, version), _older_spaces(run)
    with write_artifact(root, ITEM_INDEX, version) as folder:
        for name, found in embeddings.items():
            (folder / name).mkdir()
            retrieval.save_index(_audited_index(run, found, older.get(name)), folder / name)
        manifest = retrieval_manifest(run, ITEM_INDEX, version)
        write_manifest(folder, manifest.model_copy(update={"inputs": {EMBEDDINGS: version}}))
    return version, False


def neighbours_as_of(run: AsOfRun) -> pl.DataFrame:
    """The nearest items of each item, see `retrieval.item_neighbours`."""
    settings, problem = run.platform.settings, history_problem(run)
    fit = retrieval.RetrievalFit(problem, {}, run_config(run), settings.seed, settings.threads)
    return retrieval.item_neighbours(fit)


def open_fit(run: AsOfRun) -> retrieval.RetrievalFit:
    """The sealed artifacts of the as-of, ready to generate candidates. Raises NotReady when they are not sealed."""
    settings = run.platform.settings
    spaces = _sealed_spaces(run.platform, embeddings_key(run))
    return retrieval.RetrievalFit(profiled_problem(run), spaces, run_config(run), settings.seed, settings.threads)


def require_index(run: AsOfRun) -> None:
    """Raise NotReady where the index of the as-of is not sealed."""
    artifact(run.platform.home.artifacts, ITEM_INDEX, embeddings_key(run))


def sealed_indexes(
    platform: Platform, version: str, embeddings: Mapping[str, retrieval.Embeddings]
) -> dict[str, retrieval.ItemIndex]:
    """The index of each of `embeddings`. Raises NotReady when they are not sealed, ContractError where one is older."""
    folder = artifact(platform.home.artifacts, ITEM_INDEX, version)
    return {
        name: retrieval.load_index(folder / name, found.item_factors, found.item_ids)
        for name, found in embeddings.items()
    }


def index_reports(platform: Platform, version: str) -> dict[str, retrieval.IndexReport]:
    """What each sealed index says of itself, by source. Raises NotReady when they are not sealed."""
    folder = artifact(platform.home.artifacts, ITEM_INDEX, version)
    return {path.name: retrieval.load_report(path) for path in sorted(folder.iterdir()) if path.is_dir()}


def _sealed_spaces(platform: Platform, version: str) -> dict[str, retrieval.VectorSpace]:
    embeddings = sealed_embeddings(platform, version)
    indexes = sealed_indexes(platform, version, embeddings)
    return {name: retrieval.VectorSpace(found, indexes[name]) for name, found in embeddings.items()}


def _older_spaces(run: AsOfRun) -> dict[str, retrieval.VectorSpace]:
    """What the vectors were folded in from, with its indexes; nothing where those would be built anew in any case."""
    base_at = base_as_of(run)
    eligible = int(history_problem(run).eligible.sum())
    if base_at is None or retrieval.kind_for(run_config(run).index, eligible) == "exact":
        return {}
    base = run.at(base_at)
    version, _ = seal_embeddings(base)
    seal_index(base)
    return _sealed_spaces(run.platform, version)


def _audited_index(
    run: AsOfRun, embeddings: retrieval.Embeddings, older: retrieval.VectorSpace | None
) -> retrieval.ItemIndex:
    """Brought up to date from `older`; built anew without one, or where the refreshed one fails the audit."""
    problem, settings = history_problem(run), run.platform.settings
    if older is not None:
        index = _audited(run, retrieval.refresh_vector_space(problem, embeddings, older, threads=settings.threads))
        if not retrieval.audit_failures(index.report.recall):
            return index
    config = run_config(run).index
    built = retrieval.index_embeddings(problem, embeddings, config=config, seed=settings.seed, threads=settings.threads)
    return _audited(run, built)


def _audited(run: AsOfRun, space: retrieval.VectorSpace) -> retrieval.ItemIndex:
    return retrieval.audited(
        space.index,
        space.embeddings.item_factors,
        space.embeddings.user_factors,
        eligible=history_problem(run).eligible,
        threads=run.platform.settings.threads,
    )
