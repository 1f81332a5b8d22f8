"""The champion of an as-of: chosen among the sealed rankers and kept as a row of `ranking.champion`."""

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import Manifest, content_key
from recs_platform.contracts.time import parse_instant
from recs_platform.lake.artifacts import sealed_versions
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.data_versions import OPTED_OUT, opted_out_version
from recs_platform.pipeline.training.rankers import BASIS, ranker_basis
from recs_platform.stages import ranking

_NOBODY = content_key({OPTED_OUT: []})


def choose_champion(run: AsOfRun) -> ranking.ChampionChoice:
    """The ranker for an as-of among those made under today's settings and code, from what was known.

    One trained on a user who has opted out since is skipped. Raises NotReady where there is none.
    """
    basis = ranker_basis(run)
    return ranking.choose_champion(
        [
            manifest
            for manifest in sealed_versions(run.platform.home.artifacts, ranking.RANKER)
            if manifest.known_at <= run.known_at
            and manifest.parameters.get(BASIS) == basis
            and _is_lawful(run, manifest)
        ],
        run.as_of,
    )


def champion_row(choice: ranking.ChampionChoice) -> pl.DataFrame:
    """The row of `ranking.champion`, without as_of."""
    manifest = choice.manifest
    return pl.DataFrame(
        {
            c.RANKER_VERSION: [manifest.version],
            c.LABELS_END_AT: [parse_instant(manifest.parameters[ranking.LABELS_END])],
            c.TRAINED_AS_OF: [manifest.as_of],
            c.CONSIDERED_COUNT: [len(choice.considered)],
            c.REASON: [choice.reason],
        }
    )


def _is_lawful(run: AsOfRun, manifest: Manifest) -> bool:
    labels_end = parse_instant(manifest.parameters[ranking.LABELS_END])
    return manifest.parameters.get(OPTED_OUT, _NOBODY) == opted_out_version(run.files, labels_end)
