"""Retrieval artifacts of an as-of: embeddings and index, sealed under the hash of what they were made from."""

from datetime import UTC, datetime

from recs_platform.contracts.manifests import Manifest, content_key
from recs_platform.defs.platform import Platform
from recs_platform.defs.training import data_version, known_files
from recs_platform.defs.windows import retrieval_config, with_consent
from recs_platform.lake.artifacts import artifact, is_sealed, library_versions, write_artifact, write_manifest
from recs_platform.stages import retrieval

EMBEDDINGS = "embeddings"
ITEM_INDEX = "item_index"


def read_problem(platform: Platform, at: datetime, known: datetime) -> retrieval.RetrievalProblem:
    """Interactions, users with consent and items as of the instant, as codes."""
    with platform.model_run(at, known) as run:
        return retrieval.encode(
            run.frame("staging.stg_interactions"),
            with_consent(run.frame("staging.stg_users")),
            run.frame("staging.stg_items"),
            as_of=at,
            allow_repeats=platform.settings.allow_repeats,
        )


def artifact_version(platform: Platform, at: datetime, known: datetime) -> str:
    """Embeddings and index are the same where the data before the as-of and the parameters are."""
    return content_key(
        {
            "as_of": at,
            "data": data_version(known_files(platform, known), at),
            "models": [platform.models.get(f"staging.stg_{name}").hash for name in ("interactions", "items", "users")],
            "parameters": retrieval_config(platform).model_dump(),
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
        read_problem(platform, at, known),
        retrieval_config(platform).embeddings,
        seed=settings.seed,
        threads=settings.threads,
    )
    with write_artifact(platform.home.artifacts, EMBEDDINGS, version) as folder:
        retrieval.save_embeddings(fitted, folder)
        write_manifest(folder, _manifest(platform, EMBEDDINGS, version, at, known))
    return version, False


def seal_index(platform: Platform, at: datetime, known: datetime) -> tuple[str, bool]:
    """Build and seal unless sealed already; returns the version and whether it was reused."""
    root, version = platform.home.artifacts, artifact_version(platform, at, known)
    if is_sealed(root, ITEM_INDEX, version):
        return version, True
    fitted = retrieval.load_embeddings(artifact(root, EMBEDDINGS, version))
    with write_artifact(root, ITEM_INDEX, version) as folder:
        retrieval.save_index(retrieval.build_index(read_problem(platform, at, known), fitted), folder)
        write_manifest(folder, _manifest(platform, ITEM_INDEX, version, at, known))
    return version, False


def open_fit(platform: Platform, at: datetime, known: datetime) -> retrieval.RetrievalFit:
    """The sealed artifacts of the as-of, ready to generate candidates. Raises NotReady when they are not sealed."""
    root, version = platform.home.artifacts, artifact_version(platform, at, known)
    return retrieval.RetrievalFit(
        read_problem(platform, at, known),
        retrieval.load_embeddings(artifact(root, EMBEDDINGS, version)),
        retrieval.load_index(artifact(root, ITEM_INDEX, version)),
        retrieval_config(platform),
        platform.settings.threads,
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
