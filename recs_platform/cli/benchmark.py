"""Commands that measure the platform: retrieval on a user's own split, the whole graph on a made-up log."""
# typer leaves the callbacks of its options untyped.
# pyright: reportUnknownMemberType=false

from pathlib import Path
from typing import Annotated, Literal

import typer

from recs_platform.cli.pipeline_benchmark.command import pipeline
from recs_platform.cli.show import put_json, put_table, say
from recs_platform.contracts.errors import UsageError

app = typer.Typer(
    help="Measure retrieval on your own split, or the whole graph on a made-up log.",
    no_args_is_help=True,
    rich_markup_mode=None,
    suggest_commands=False,
)


@app.callback()
def group() -> None:
    """Measure retrieval on your own split, or the whole graph on a made-up log."""


@app.command("retrieval")
def retrieval(
    train: Annotated[Path, typer.Option(help="Parquet with user_id, item_id and optionally occurred_at.")],
    test: Annotated[Path, typer.Option(help="Parquet with the held-out user_id, item_id.")],
    valid: Annotated[Path | None, typer.Option(help="Parquet to tune on; carved from train when absent.")] = None,
    k: Annotated[int, typer.Option(min=1, help="Length of the lists that are scored.")] = 20,
    sources: Annotated[
        str | None, typer.Option(help="Comma-separated names; those of the profile when absent.")
    ] = None,
    profile: Annotated[
        Literal["fast", "best"], typer.Option(help="fast, or best: more sources and a longer search.")
    ] = "fast",
    output: Annotated[Path | None, typer.Option(help="Parquet to write user_id, item_id, rank, score to.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """The platform's retrieval on your split: full ranking over all train items, a user's train items masked.

    Example: recs benchmark retrieval --train train.parquet --test test.parquet --k 20 --json
    """
    for path in (train, test, *([valid] if valid else [])):
        if not path.is_file():
            raise UsageError(f"no file {path}")
    from recs_platform.settings import read_settings
    from recs_platform.stages.retrieval.benchmark.benchmark import run_benchmark

    settings = read_settings()
    result = run_benchmark(
        train,
        test,
        valid=valid,
        k=k,
        sources=None if sources is None else [name.strip() for name in sources.split(",")],
        profile=profile,
        seed=settings.seed,
        threads=settings.threads,
        progress=say,
    )
    if output is not None:
        result.lists.write_parquet(output)
    if as_json:
        put_json(result.summary())
    else:
        put_table(*result.table())
        typer.echo(result.remark())


app.command("pipeline")(pipeline)
