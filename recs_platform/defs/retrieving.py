"""Retrieval artifacts of an as-of: embeddings and index, sealed under the hash of what they were made from."""

from collections.abc import Mapping
from datetime import UTC, datetime

from recs_platform.contracts.manifests import Manifest, content_key
from recs_platform.defs.platform import Platform
from recs_platform.defs.retrieval_inputs import (
    item_vectors,
    retrieval_config,
    vectors_version,
    with_consent,
    with_profiles,
)
from recs_platform.defs.training import data_version, known_files
from recs_platform.lake.artifacts import artifact, is_sealed, library_versions, write_artifact, write_manifest
from recs_platform.stages import retrieval

EMBEDDINGS = "embeddings"
ITEM_INDEX = "item_index"
# Of what the artifacts hold; another number makes older ones unused.
FORMAT = 2


def read_problem(platform: Platform, at: datetime, known: datetime) -> retrieval.RetrievalProblem:
    """Interactions, users with consent, their profiles, and items as of the instant, as codes."""
    with platform.model_run(at, known) as run:
        return retrieval.encode(
            run.frame("staging.stg_interactions"),
            with_profiles(run, with_consent(run.frame("staging.stg_users"))),
            run.frame("staging.stg_items"),
            as_of=at,
            allow_repeats=platform.settings.allow_repeats,
            vectors=item_vectors(platform),
        )


def artifact_version(platform: Platform, at: datetime, known: datetime) -> str:
    """Embeddings and index are the same where the data before the as-of and the parameters are."""
    return content_key(
        {
            "format": FORMAT,
            "as_of": at,
            "data": data_version(known_files(platform, known), at),
            "models": [platform.models.get(f"staging.stg_{name}").hash for name in ("interactions", "items", "users")],
            "parameters": retrieval_config(platform).model_dump(),
            "vectors": vectors_version(platform),
            "allow_repeats": platform.settings.allow_repeats,
            "seed": platform.settings.seed,
        }
    )


def seal_embeddings(platform: Platform, at: datetime, known: datetime) -> tuple[str, bool]:
    """Fit and seal unless sealed already; returns the version and whether it was reused."""
    version = artifact_version(platform, at, known)
    if is_sealed(platform.home.artifacts, EMBEDDINGS, version):
        return version, True
    settings = platform.settings
    fitted = retrieval.fit_embeddings(
        read_problem(platform, at, known), retrieval_config(platform), seed=settings.seed, threads=settings.threads
    )
    with write_artifact(platform.home.artifacts, EMBEDDINGS, version) as folder:
        for name, embeddings in fitted.items():
            (folder / name).mkdir()
            retrieval.save_embeddings(embeddings, folder / name)
        write_manifest(folder, _manifest(platform, EMBEDDINGS, version, at, known))
    return version, False


def seal_index(platform: Platform, at: datetime, known: datetime) -> tuple[str, bool]:
    """Build and seal unless sealed already; returns the version and whether it was reused."""
    root, version = platform.home.artifacts, artifact_version(platform, at, known)
    if is_sealed(root, ITEM_INDEX, version):
        return version, True
    problem = read_problem(platform, at, known)
    with write_artifact(root, ITEM_INDEX, version) as folder:
        for name, embeddings in sealed_embeddings(platform, version).items():
            (folder / name).mkdir()
            retrieval.save_index(_audited_index(platform, problem, embeddings), folder / name)
        write_manifest(folder, _manifest(platform, ITEM_INDEX, version, at, known))
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


def sealed_embeddings(platform: Platform, version: str) -> dict[str, retrieval.Embeddings]:
    """Vectors by source. Raises NotReady when they are not sealed."""
    folder = artifact(platform.home.artifacts, EMBEDDINGS, version)
    return {path.name: retrieval.load_embeddings(path) for path in sorted(folder.iterdir()) if path.is_dir()}


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


def _audited_index(
    platform: Platform, problem: retrieval.RetrievalProblem, embeddings: retrieval.Embeddings
) -> retrieval.ItemIndex:
    settings = platform.settings
    space = retrieval.index_embeddings(
        problem,
        embeddings,
        config=retrieval_config(platform).index,
        seed=settings.seed,
        threads=settings.threads,
    )
    return retrieval.audited(
        space.index,
        embeddings.item_factors,
        embeddings.user_factors,
        eligible=problem.eligible,
        threads=settings.threads,
    )


def _manifest(platform: Platform, name: str, version: str, at: datetime, known: datetime) -> Manifest:
    return Manifest(
        name=name,
        version=version,
        as_of=at,
        known_at=known,
        data_version=data_version(known_files(platform, known), at),
        seed=platform.settings.seed,
        parameters=retrieval_config(platform).model_dump(),
        libraries=library_versions("implicit", "faiss-cpu", "numpy"),
        sealed_at=datetime.now(UTC),
    )
