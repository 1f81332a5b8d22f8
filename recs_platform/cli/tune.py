"""Commands that tune retrieval and rankers on the home's own data, and put what was tuned in force."""
# typer leaves the callbacks of its options untyped.
# pyright: reportUnknownMemberType=false

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from recs_platform.cli.house import find_platform, nothing_else_builds
from recs_platform.cli.options import AsJson
from recs_platform.cli.show import put_frame, put_json, put_table, say
from recs_platform.contracts.home import Lock
from recs_platform.contracts.time import as_of_key, parse_instant

if TYPE_CHECKING:
    from recs_platform.contracts.manifests import Manifest
    from recs_platform.pipeline.platform import Platform
    from recs_platform.pipeline.tuning.tune import Tuned

app = typer.Typer(
    help="Tune parts of the platform on the home's own data.",
    no_args_is_help=True,
    rich_markup_mode=None,
    suggest_commands=False,
)
Version = Annotated[str, typer.Argument(help="The config, as `recs tune list` names it.")]
MINUTES = 10.0


@app.callback()
def group() -> None:
    """Tune parts of the platform on the home's own data."""


@app.command("retrieval")
def retrieval(
    as_of: Annotated[str | None, typer.Option("--as-of", help="Tests of this as-of stay unseen.")] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Time for all sources; 10 where --trials is not given.")
    ] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Trials of each source, its defaults included.")] = None,
    sources: Annotated[str | None, typer.Option(help="Comma-separated names; all when absent.")] = None,
    adopts: Annotated[bool, typer.Option("--adopt", help="Put the result in force where it gained.")] = False,
    as_json: AsJson = False,
) -> None:
    """Search parameters of candidate sources and weights of their merge, on data before the first tested cutoff.

    What beats the defaults by more than chance is stored as a versioned config; runs use it once it is adopted.
    Example: recs tune retrieval --minutes 5 --sources als,item_knn --adopt
    """
    instant = None if as_of is None else parse_instant(as_of)
    names = None if sources is None else [name.strip() for name in sources.split(",")]
    started = time.monotonic()
    platform = find_platform()
    from recs_platform.pipeline.tuning.tune import tune
    from recs_platform.stages.retrieval.tuning.budget import Budget
    from recs_platform.stages.retrieval.tuning.progress import TrialProgress

    limit = MINUTES if minutes is None and trials is None else minutes
    until = None if limit is None else started + limit * 60
    budget = Budget(time.monotonic, until, trials)
    with nothing_else_builds(platform):
        found = tune(
            platform, instant, datetime.now(UTC), sources=names, budget=budget, watch=TrialProgress(say), say=say
        )
    if adopts and found.tuning.is_gained:
        _put_in_force(platform, found.manifest.version)
    elif adopts:
        say("not adopted: the gain may be chance; `recs tune adopt` puts it in force all the same")
    if as_json:
        put_json({**_summary(platform, found.manifest.version), "gained": found.tuning.is_gained})
    else:
        _put_config(platform, found.manifest.version)
    say(_verdict(found))


def _verdict(found: "Tuned") -> str:
    tuning = found.tuning
    gain = f"{tuning.gain.value:+.4f} [{tuning.gain.low:+.4f}, {tuning.gain.high:+.4f}]"
    summary = f"{found.manifest.version}: merge {tuning.default:.4f} by default, {tuning.tuned:.4f} tuned: {gain}"
    if not tuning.changes:
        return f"nothing was gained: no parameter and no weight beats the defaults by more than chance ({summary})"
    return summary if tuning.is_gained else f"nothing was gained that is more than chance ({summary})"


@app.command("ranker")
def ranker(
    as_of: Annotated[str | None, typer.Option("--as-of", help="Tests of this as-of stay unseen.")] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, help="No trial begins later; 10 where --trials is not given.")
    ] = None,
    trials: Annotated[
        int, typer.Option(min=1, help="Trials at most, those of a search that was stopped included.")
    ] = 40,
    sampler: Annotated[Literal["tpe", "random", "grid"], typer.Option(help="How trials are drawn.")] = "tpe",
    adopts: Annotated[bool, typer.Option("--adopt", help="Put the result in force where it gained.")] = False,
    as_json: AsJson = False,
) -> None:
    """Search parameters of the ranker on cutoffs before the first tested one; the newest of them confirms the gain.

    A config is stored whatever it gained; runs use it once it is adopted, and the gate decides whether what it trains
    serves. Example: recs tune ranker --minutes 5 --adopt
    """
    instant = None if as_of is None else parse_instant(as_of)
    started = time.monotonic()
    platform = find_platform()
    from recs_platform.pipeline.tuning.tune_ranker import RankerBudget, tune_ranker

    budget = RankerBudget(time.monotonic, started + (MINUTES if minutes is None else minutes) * 60, trials)
    with nothing_else_builds(platform):
        found = tune_ranker(platform, instant, datetime.now(UTC), sampler=sampler, budget=budget, say=say)
    if adopts and found.is_gained:
        _put_in_force(platform, found.manifest.version)
    elif adopts:
        say("not adopted: the gain may be chance; `recs tune adopt` puts it in force all the same")
    gain = f"{found.gain.value:+.4f} [{found.gain.low:+.4f}, {found.gain.high:+.4f}]"
    if as_json:
        put_json({**found.manifest.model_dump(mode="json"), "changes": found.changes, "gained": found.is_gained})
    else:
        put_table(["field", "tuned"], [[name, str(value)] for name, value in found.changes.items()])
    verdict = "gained" if found.is_gained else "nothing was gained that is more than chance"
    say(f"{found.manifest.version}: {verdict}; NDCG at the cutoff that was set aside {gain}")


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """Every tuned config, of retrieval and of rankers, and which are in force.

    Example: recs tune list
    """
    root = find_platform().home.artifacts
    from recs_platform.pipeline.retrieval import tuned_configs
    from recs_platform.pipeline.training import ranker_configs

    adopted = {"retrieval": tuned_configs.adopted_version(root), "ranker": ranker_configs.adopted_version(root)}
    found = {"retrieval": tuned_configs.list_configs(root), "ranker": ranker_configs.list_configs(root)}
    rows = [_row(of, manifest, adopted[of]) for of, manifests in found.items() for manifest in manifests]
    if as_json:
        put_json({"configs": rows, "adopted": adopted["retrieval"], "adopted_ranker": adopted["ranker"]})
    elif rows:
        put_table(list(rows[0]), [list(row.values()) for row in rows])
    else:
        say("no tuned config yet: `recs tune retrieval` and `recs tune ranker` make one")


def _row(of: str, manifest: "Manifest", adopted: str | None) -> dict[str, Any]:
    metrics, parameters = manifest.metrics, manifest.parameters
    return {
        "of": of,
        "version": manifest.version,
        "as_of": as_of_key(manifest.as_of),
        "tuned_until": as_of_key(parse_instant(parameters["tuned_until"])),
        "changed": parameters["sources"] if of == "retrieval" else sorted(parameters["changes"]),
        "default": metrics["default_value"],
        "tuned": metrics["tuned_value"],
        "gain_low": metrics["gain_low"],
        "adopted": "*" if manifest.version == adopted else "",
    }


@app.command("show")
def show(version: Version, as_json: AsJson = False) -> None:
    """What a tuned config changes, and what it was worth on the validation windows.

    Example: recs tune show 1a2b3c4d5e6f7a8b --json
    """
    platform = find_platform()
    if _is_of_ranker(platform, version):
        _show_ranker(platform, version, as_json=as_json)
    elif as_json:
        put_json(_summary(platform, version))
    else:
        _put_config(platform, version)


def _is_of_ranker(platform: "Platform", version: str) -> bool:
    from recs_platform.lake.artifacts import is_sealed
    from recs_platform.pipeline.training.ranker_configs import CONFIGS

    return is_sealed(platform.home.artifacts, CONFIGS, version)


def _show_ranker(platform: "Platform", version: str, *, as_json: bool) -> None:
    from recs_platform.pipeline.training.ranker_configs import adopted_version, find_config

    manifest, changes, trials = find_config(platform.home.artifacts, version)
    if as_json:
        adopted = version == adopted_version(platform.home.artifacts)
        shown = {
            **manifest.model_dump(mode="json"),
            "changes": changes,
            "trials": trials.to_dicts(),
            "adopted": adopted,
        }
        put_json(shown)
        return
    put_frame(trials, "table")
    typer.echo("")
    put_table(["field", "tuned"], [[name, str(value)] for name, value in changes.items()])


def _summary(platform: "Platform", version: str) -> dict[str, Any]:
    from recs_platform.pipeline.retrieval.tuned_configs import adopted_version, find_config

    manifest, changes, sources = find_config(platform.home.artifacts, version)
    return {
        **manifest.model_dump(mode="json"),
        "changes": changes,
        "by_source": sources.to_dicts(),
        "adopted": version == adopted_version(platform.home.artifacts),
    }


def _put_config(platform: "Platform", version: str) -> None:
    """What each source came to, then the fields that the config changes."""
    from recs_platform.pipeline.retrieval.tuned_configs import find_config
    from recs_platform.stages.retrieval import RetrievalConfig

    _, changes, sources = find_config(platform.home.artifacts, version)
    put_frame(sources, "table")
    defaults = RetrievalConfig().sources
    rows = [
        [name, field, str(getattr(defaults[name], field)), str(value)]
        for name, fields in changes.items()
        for field, value in fields.items()
    ]
    typer.echo("")
    put_table(["source", "field", "default", "tuned"], rows)


@app.command("adopt")
def adopt(version: Version) -> None:
    """Let runs use a tuned config; what recs.toml says of a source goes before it.

    Example: recs tune adopt 1a2b3c4d5e6f7a8b
    """
    _put_in_force(find_platform(), version)


def _put_in_force(platform: "Platform", version: str) -> None:
    """Adopt while no as-of is built: a build has one config from its first step to its last."""
    from recs_platform.lake.locks import exclusive
    from recs_platform.pipeline.retrieval import tuned_configs
    from recs_platform.pipeline.training import ranker_configs

    adopt_config = ranker_configs.adopt_config if _is_of_ranker(platform, version) else tuned_configs.adopt_config
    with exclusive(platform.home.lock(Lock.AS_OF), on_wait=say):
        adopt_config(platform.home.artifacts, version)
    say(f"adopted {version}: the next run uses it")


@app.command("reset")
def reset() -> None:
    """Let runs use the default parameters and weights again; tuned configs stay.

    Example: recs tune reset
    """
    platform = find_platform()
    from recs_platform.lake.locks import exclusive
    from recs_platform.pipeline.retrieval import tuned_configs
    from recs_platform.pipeline.training import ranker_configs

    root = platform.home.artifacts
    with exclusive(platform.home.lock(Lock.AS_OF), on_wait=say):
        were = [version for version in (tuned_configs.reset_config(root), ranker_configs.reset_config(root)) if version]
    say(f"{' and '.join(were)} no longer in force" if were else "nothing was adopted")
