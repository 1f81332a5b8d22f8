"""Sealed vectors as of an instant: fitted in full on a grid of days, in between folded in from the last full fit."""

from datetime import UTC, datetime

from recs_platform.contracts.home import Lock
from recs_platform.contracts.manifests import Manifest
from recs_platform.lake.artifacts import artifact, is_sealed, library_versions, write_artifact, write_manifest
from recs_platform.lake.locks import exclusive
from recs_platform.pipeline.artifact_keys import RETRIEVAL, artifact_key
from recs_platform.pipeline.as_of_run import INTERACTIONS, ITEMS, USERS, AsOfRun
from recs_platform.pipeline.geo_availability import geo_model_hashes
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval.inputs import history_problem, run_config, vectors_version
from recs_platform.stages import retrieval

EMBEDDINGS = "embeddings"
FOLDED_FROM = "folded_from"


def embeddings_key(run: AsOfRun) -> str:
    """Key of the embeddings and of the index over them: hash of what both are made from.

    It names the full fit that is folded from too: its data are among those before the as-of.
    """

    def make() -> str:
        platform = run.platform
        models = [platform.models.get(name).hash for name in (INTERACTIONS, ITEMS, USERS)]
        inputs = {
            "as_of": run.as_of,
            "data": run.data_version(),
            "models": [*models, *geo_model_hashes(platform)],
            "config": run_config(run).model_dump(),
            "vectors": vectors_version(platform),
        }
        return artifact_key(RETRIEVAL, inputs, platform.settings)

    return run.once("key of embeddings", make)


def base_as_of(run: AsOfRun) -> datetime | None:
    """The full fit that the run's vectors are folded from; None where they are fitted in full themselves."""
    every_days = run_config(run).refit_every_days
    base = run.as_of if every_days is None else retrieval.last_full_fit(run.as_of, every_days)
    return None if base == run.as_of else base


def seal_embeddings(run: AsOfRun) -> tuple[str, bool]:
    """Fit, or fold in, and seal unless sealed already; returns the version and whether it was reused.

    The full fit that is folded from is sealed first. What is sealed before changes no byte. Of several threads or
    processes that want the same, one makes it and the others wait.
    """
    home, version = run.platform.home, embeddings_key(run)
    if is_sealed(home.artifacts, EMBEDDINGS, version):
        return version, True
    base_at = base_as_of(run)
    base = None if base_at is None else seal_embeddings(run.at(base_at))[0]
    with exclusive(home.lock(Lock.EMBEDDINGS)):
        if is_sealed(home.artifacts, EMBEDDINGS, version):
            return version, True
        made = _embeddings(run, history_problem(run), base)
        with write_artifact(home.artifacts, EMBEDDINGS, version) as folder:
            for name, embeddings in made.items():
                (folder / name).mkdir()
                retrieval.save_embeddings(embeddings, folder / name)
            manifest = retrieval_manifest(run, EMBEDDINGS, version)
            origin = {} if base_at is None else {FOLDED_FROM: {"version": base, "as_of": base_at.isoformat()}}
            write_manifest(folder, manifest.model_copy(update={"parameters": manifest.parameters | origin}))
    return version, False


def sealed_embeddings(platform: Platform, version: str) -> dict[str, retrieval.Embeddings]:
    """Vectors by source. Raises NotReady when they are not sealed."""
    folder = artifact(platform.home.artifacts, EMBEDDINGS, version)
    return {path.name: retrieval.load_embeddings(path) for path in sorted(folder.iterdir()) if path.is_dir()}


def window_embeddings(run: AsOfRun, problem: retrieval.RetrievalProblem) -> dict[str, retrieval.Embeddings]:
    """Vectors of `problem`, all that is known as of the run, as `seal_embeddings` makes them; seals only full fits."""
    if run_config(run).refit_every_days is None:
        return _embeddings(run, problem, None)
    base_at = base_as_of(run)
    version, _ = seal_embeddings(run if base_at is None else run.at(base_at))
    return sealed_embeddings(run.platform, version) if base_at is None else _embeddings(run, problem, version)


def retrieval_manifest(run: AsOfRun, name: str, version: str) -> Manifest:
    """The manifest of embeddings or their index."""
    return Manifest(
        name=name,
        version=version,
        as_of=run.as_of,
        known_at=run.known_at,
        data_version=run.data_version(),
        seed=run.platform.settings.seed,
        parameters=run_config(run).model_dump(),
        libraries=library_versions(*RETRIEVAL.libraries),
        sealed_at=datetime.now(UTC),
    )


def _embeddings(run: AsOfRun, problem: retrieval.RetrievalProblem, base: str | None) -> dict[str, retrieval.Embeddings]:
    """Fitted in full, or folded in from the sealed version `base`."""
    config, settings = run_config(run), run.platform.settings
    if base is None:
        return retrieval.fit_embeddings(problem, config, seed=settings.seed, threads=settings.threads)
    sealed = sealed_embeddings(run.platform, base)
    return retrieval.fold_embeddings(problem, sealed, config, seed=settings.seed, threads=settings.threads)
