"""Rankers of a recipe at past cutoffs: those of today's settings and code are trained, earlier ones are looked up.

A recipe is all that decides a ranker but its windows: `rankers.ranker_basis`. Which one serves is decided in
`promotion`, and stored as the champion.
"""

from collections.abc import Sequence

from recs_platform.contracts import columns as c
from recs_platform.contracts.features import FeatureSet
from recs_platform.contracts.manifests import Manifest, content_key
from recs_platform.contracts.tables import CHAMPION
from recs_platform.contracts.time import parse_instant
from recs_platform.lake.artifacts import artifact, is_sealed, read_manifest, sealed_versions
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.data_versions import OPTED_OUT, opted_out_version
from recs_platform.pipeline.training.rankers import BASIS, ranker_basis, seal_ranker
from recs_platform.pipeline.training.splits import Split
from recs_platform.pipeline.training.window_cache import WindowCache
from recs_platform.stages import ranking

_NOBODY = content_key({OPTED_OUT: []})
_SERVING = "recipe in force"


def serving_basis(run: AsOfRun) -> str:
    """Basis of the champion that is stored for the as-of; today's where none is."""

    def read() -> str:
        with run.models() as models:
            stored = models.frame(CHAMPION.name, [c.RANKER_VERSION])[c.RANKER_VERSION].to_list()
        champion = find_ranker(run, stored[0]) if stored else None
        return ranker_basis(run) if champion is None else str(champion.parameters[BASIS])

    return run.root.once(_SERVING, read)


def serve_todays(run: AsOfRun) -> None:
    """Let a run that stores no champion of its own measure today's recipe, whatever is stored."""
    run.root.once(_SERVING, lambda: ranker_basis(run))


def ranker_at(windows: WindowCache, basis: str, split: Split, learned: Sequence[Split]) -> Manifest | None:
    """The ranker of a recipe that could have served at the split's cutoff.

    Today's recipe is trained on `learned`, newest first. Of an earlier one it is the sealed ranker whose labels end
    last, by the cutoff; None where there is none.
    """
    if basis == ranker_basis(windows.run):
        return seal_ranker(windows.run, split.cutoff, windows.to_learn_from(learned))[0]
    found = [each for each in lawful_rankers(windows.run) if each.parameters.get(BASIS) == basis]
    past = [each for each in found if parse_instant(each.parameters[ranking.LABELS_END]) <= split.cutoff]
    return ranking.choose_champion(past, split.cutoff).manifest if past else None


def lawful_rankers(run: AsOfRun) -> list[Manifest]:
    """Sealed rankers known by the run that no opt-out since forbids, no operator retired, and whose features exist."""
    retired = ranking.read_overrides(run.platform.home.artifacts).known_at(run.known_at).retired
    known = [
        manifest
        for manifest in sealed_versions(run.platform.home.artifacts, ranking.RANKER)
        if manifest.known_at <= run.known_at and manifest.version not in retired
    ]
    return [manifest for manifest in known if why_not_lawful(run, manifest) is None]


def why_not_lawful(run: AsOfRun, manifest: Manifest) -> str | None:
    """Why a sealed ranker must not, or cannot, score this as-of; None where it may."""
    labels_end = parse_instant(manifest.parameters[ranking.LABELS_END])
    if labels_end > run.as_of:
        return f"its labels end {labels_end:%Y-%m-%d %H:%M}, after the as-of"
    if manifest.parameters.get(OPTED_OUT, _NOBODY) != opted_out_version(run.files, labels_end):
        return "it learned from somebody who has opted out since"
    lacking = lacking_features(manifest, run)
    return f"it needs features that are no longer made: {', '.join(lacking)}" if lacking else None


def lacking_features(manifest: Manifest, run: AsOfRun) -> list[str]:
    """Features that a sealed ranker reads and today's feature set lacks, sorted."""
    if manifest.feature_set_hash == run.platform.feature_set.hash:
        return []
    folder = artifact(run.platform.home.artifacts, ranking.RANKER, manifest.version)
    return _missing(ranking.load_ranker(folder).feature_set, run.platform.feature_set)


def find_ranker(run: AsOfRun, version: str) -> Manifest | None:
    """The manifest of a sealed ranker, None where it is not there."""
    root = run.platform.home.artifacts
    if not is_sealed(root, ranking.RANKER, version):
        return None
    return read_manifest(artifact(root, ranking.RANKER, version))


def _missing(wanted: FeatureSet, made: FeatureSet) -> list[str]:
    types = {feature.name: feature.dtype for feature in made.features}
    return sorted(feature.name for feature in wanted.features if types.get(feature.name) != feature.dtype)
