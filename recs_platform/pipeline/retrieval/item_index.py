"""Retrieval artifacts of an as-of: the index over its embeddings, sealed, and the fit that candidates come from."""

from collections.abc import Mapping
from datetime import datetime

from recs_platform.lake.artifacts import artifact, is_sealed, write_artifact, write_manifest
from recs_platform.pipeline.geo_availability import read_places
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval.embeddings import (
    EMBEDDINGS,
    artifact_version,
    base_as_of,
    read_history,
    retrieval_manifest,
    seal_embeddings,
    sealed_embeddings,
)
from recs_platform.pipeline.retrieval.inputs import item_vectors, retrieval_config, with_consent, with_profiles
from recs_platform.stages import retrieval

ITEM_INDEX = "item_index"


def read_problem(platform: Platform, at: datetime, known: datetime) -> retrieval.RetrievalProblem:
    """Interactions, users with consent, their profiles and places, and items as of the instant, as codes."""
    with platform.model_run(at, known) as run:
        places = read_places(run)
        return retrieval.encode(
            run.frame("staging.stg_interactions"),
            with_profiles(run, with_consent(run.frame("staging.stg_users"))),
            run.frame("staging.stg_items"),
            as_of=at,
            allow_repeats=platform.settings.allow_repeats,
            vectors=item_vectors(platform),
            places=places.users,
            barred=places.barred,
        )


def seal_index(platform: Platform, at: datetime, known: datetime) -> tuple[str, bool]:
    """Build, or refresh, and seal unless sealed already; returns the version and whether it was reused.

    Where the embeddings were folded in and search is approximate, the index of what they were folded from is sealed
    first and brought up to date.
    """
    root, version = platform.home.artifacts, artifact_version(platform, at, known)
    if is_sealed(root, ITEM_INDEX, version):
        return version, True
    problem, embeddings = read_history(platform, at, known), sealed_embeddings(platform, version)
    older = _older_spaces(platform, problem, at, known)
    with write_artifact(root, ITEM_INDEX, version) as folder:
        for name, found in embeddings.items():
            (folder / name).mkdir()
            index = _audited_index(platform, problem, found, older.get(name))
            retrieval.save_index(index, folder / name)
        manifest = retrieval_manifest(platform, ITEM_INDEX, version, at, known)
        write_manifest(folder, manifest.model_copy(update={"inputs": {EMBEDDINGS: version}}))
    return version, False


def open_fit(platform: Platform, at: datetime, known: datetime) -> retrieval.RetrievalFit:
    """The sealed artifacts of the as-of, ready to generate candidates. Raises NotReady when they are not sealed."""
    version, settings = artifact_version(platform, at, known), platform.settings
    embeddings = sealed_embeddings(platform, version)
    indexes = sealed_indexes(platform, version, embeddings)
    return retrieval.RetrievalFit(
        read_problem(platform, at, known),
        {name: retrieval.Space(found, indexes[name]) for name, found in embeddings.items()},
        retrieval_config(platform),
        settings.seed,
        settings.threads,
    )


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


def _older_spaces(
    platform: Platform, problem: retrieval.RetrievalProblem, at: datetime, known: datetime
) -> dict[str, retrieval.Space]:
    """What the vectors were folded in from, with its indexes; nothing where those would be built anew in any case."""
    base_at = base_as_of(platform, at)
    if base_at is None or retrieval.kind_for(retrieval_config(platform).index, int(problem.eligible.sum())) == "exact":
        return {}
    version, _ = seal_embeddings(platform, base_at, known)
    seal_index(platform, base_at, known)
    embeddings = sealed_embeddings(platform, version)
    indexes = sealed_indexes(platform, version, embeddings)
    return {name: retrieval.Space(found, indexes[name]) for name, found in embeddings.items()}


def _audited_index(
    platform: Platform,
    problem: retrieval.RetrievalProblem,
    embeddings: retrieval.Embeddings,
    older: retrieval.Space | None,
) -> retrieval.ItemIndex:
    """Brought up to date from `older`; built anew without one, or where the refreshed one fails the audit."""
    if older is not None:
        refreshed = retrieval.refresh_space(problem, embeddings, older, threads=platform.settings.threads)
        index = _audited(platform, problem, refreshed)
        if not retrieval.audit_failures(index.report.recall):
            return index
    config, settings = retrieval_config(platform).index, platform.settings
    built = retrieval.index_embeddings(problem, embeddings, config=config, seed=settings.seed, threads=settings.threads)
    return _audited(platform, problem, built)


def _audited(platform: Platform, problem: retrieval.RetrievalProblem, space: retrieval.Space) -> retrieval.ItemIndex:
    return retrieval.audited(
        space.index,
        space.embeddings.item_factors,
        space.embeddings.user_factors,
        eligible=problem.eligible,
        threads=platform.settings.threads,
    )
