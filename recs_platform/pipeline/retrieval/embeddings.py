"""Sealed vectors as of an instant: fitted in full on a grid of days, in between folded in from the last full fit.

Indexes over them, and candidates, are made elsewhere.
"""

from datetime import UTC, datetime

from recs_platform.contracts.home import Lock
from recs_platform.contracts.manifests import Manifest, content_key
from recs_platform.lake.artifacts import artifact, is_sealed, library_versions, write_artifact, write_manifest
from recs_platform.lake.locks import exclusive
from recs_platform.pipeline.data_versions import data_version, known_files
from recs_platform.pipeline.geo_availability import place_hashes, read_places
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval.inputs import item_vectors, retrieval_config, vectors_version, with_consent
from recs_platform.stages import retrieval

EMBEDDINGS = "embeddings"
FOLDED_FROM = "folded_from"
# Of what the artifacts hold; another number makes older ones unused.
FORMAT = 3


def read_history(platform: Platform, at: datetime, known: datetime) -> retrieval.RetrievalProblem:
    """What vectors are fitted on and indexed by: no features, no segments, so that the as-of need not be built."""
    with platform.model_run(at, known, scratch=True) as run:
        places = read_places(run)
        return retrieval.encode(
            run.frame("staging.stg_interactions"),
            with_consent(run.frame("staging.stg_users")),
            run.frame("staging.stg_items"),
            as_of=at,
            allow_repeats=platform.settings.allow_repeats,
            vectors=item_vectors(platform),
            places=places.users,
            barred=places.barred,
        )


def artifact_version(platform: Platform, at: datetime, known: datetime) -> str:
    """Embeddings and index are the same where the data before the as-of and the parameters are.

    These decide the full fit that is folded from too: its data are among those before the as-of.
    """
    return content_key(
        {
            "format": FORMAT,
            "as_of": at,
            "data": data_version(known_files(platform, known), at),
            "models": [platform.models.get(f"staging.stg_{name}").hash for name in ("interactions", "items", "users")],
            "places": place_hashes(platform),
            "parameters": retrieval_config(platform).model_dump(),
            "vectors": vectors_version(platform),
            "allow_repeats": platform.settings.allow_repeats,
            "seed": platform.settings.seed,
        }
    )


def base_as_of(platform: Platform, at: datetime) -> datetime | None:
    """The full fit that vectors as of `at` are folded from; None where they are fitted in full themselves."""
    every_days = retrieval_config(platform).refit_every_days
    base = at if every_days is None else retrieval.last_full_fit(at, every_days)
    return None if base == at else base


def seal_embeddings(platform: Platform, at: datetime, known: datetime) -> tuple[str, bool]:
    """Fit, or fold in, and seal unless sealed already; returns the version and whether it was reused.

    The full fit that is folded from is sealed first. What is sealed before changes no byte. Of several threads or
    processes that want the same, one makes it and the others wait.
    """
    version = artifact_version(platform, at, known)
    if is_sealed(platform.home.artifacts, EMBEDDINGS, version):
        return version, True
    base_at = base_as_of(platform, at)
    base = None if base_at is None else seal_embeddings(platform, base_at, known)[0]
    with exclusive(platform.home.lock(Lock.EMBEDDINGS)):
        if is_sealed(platform.home.artifacts, EMBEDDINGS, version):
            return version, True
        made = _embeddings(platform, read_history(platform, at, known), base)
        with write_artifact(platform.home.artifacts, EMBEDDINGS, version) as folder:
            for name, embeddings in made.items():
                (folder / name).mkdir()
                retrieval.save_embeddings(embeddings, folder / name)
            manifest = retrieval_manifest(platform, EMBEDDINGS, version, at, known)
            origin = {} if base_at is None else {FOLDED_FROM: {"version": base, "as_of": base_at.isoformat()}}
            write_manifest(folder, manifest.model_copy(update={"parameters": manifest.parameters | origin}))
    return version, False


def sealed_embeddings(platform: Platform, version: str) -> dict[str, retrieval.Embeddings]:
    """Vectors by source. Raises NotReady when they are not sealed."""
    folder = artifact(platform.home.artifacts, EMBEDDINGS, version)
    return {path.name: retrieval.load_embeddings(path) for path in sorted(folder.iterdir()) if path.is_dir()}


def passing_embeddings(
    platform: Platform, problem: retrieval.RetrievalProblem, at: datetime, known: datetime
) -> dict[str, retrieval.Embeddings]:
    """Vectors of `problem`, all that is known as of `at`, as `seal_embeddings` makes them; seals only full fits."""
    if retrieval_config(platform).refit_every_days is None:
        return _embeddings(platform, problem, None)
    base_at = base_as_of(platform, at)
    version, _ = seal_embeddings(platform, at if base_at is None else base_at, known)
    return sealed_embeddings(platform, version) if base_at is None else _embeddings(platform, problem, version)


def retrieval_manifest(platform: Platform, name: str, version: str, at: datetime, known: datetime) -> Manifest:
    """The manifest of embeddings or their index."""
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


def _embeddings(
    platform: Platform, problem: retrieval.RetrievalProblem, base: str | None
) -> dict[str, retrieval.Embeddings]:
    """Fitted in full, or folded in from the sealed version `base`."""
    config, settings = retrieval_config(platform), platform.settings
    if base is None:
        return retrieval.fit_embeddings(problem, config, seed=settings.seed, threads=settings.threads)
    return retrieval.fold_embeddings(
        problem, sealed_embeddings(platform, base), config, seed=settings.seed, threads=settings.threads
    )
