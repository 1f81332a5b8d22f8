"""Commands about experiments: which there are, and what one says."""
# typer leaves the callbacks of its options untyped.
# pyright: reportUnknownMemberType=false

from datetime import UTC, datetime
from typing import Annotated

import typer

from recs_platform.cli.house import find_platform
from recs_platform.cli.options import AsJson
from recs_platform.cli.show import put_frame, put_json, put_rows, say
from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.time import as_of_key, parse_instant

app = typer.Typer(
    help="Experiments: list them, and report what they say.",
    no_args_is_help=True,
    rich_markup_mode=None,
    suggest_commands=False,
)
SHOWN = [c.VARIANT, c.SEGMENT, c.METRIC, c.N_USERS, c.VALUE, c.CONTROL_VALUE, c.LIFT, c.LIFT_LOW, c.LIFT_HIGH]


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """Experiments of recs.toml: running, planned or over, with layer, coverage and variants.

    Example: recs experiments list
    """
    from recs_platform.pipeline.questions.experiments import list_experiments

    rows = list(list_experiments(find_platform(), datetime.now(UTC).date()))
    if as_json:
        put_json({"experiments": rows})
    elif rows:
        put_rows(list(rows[0]), [list(row.values()) for row in rows], "table")
    else:
        say("no experiment is set: see docs/experiments.md")


@app.command("report")
def report(
    name: Annotated[str, typer.Argument(help="The experiment; see `recs experiments list`.")],
    start: Annotated[
        str | None, typer.Option("--from", help="Users first exposed on this day (UTC) or later; by default all.")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="Events before this instant; by default midnight after the last event.")
    ] = None,
    metric: Annotated[str | None, typer.Option("--metric", help="This metric alone; by default all.")] = None,
    as_json: AsJson = False,
) -> None:
    """What an experiment says: the split, then every variant against the control; a page goes to the reports.

    Example: recs experiments report variety --metric click_through_rate
    """
    platform = find_platform()
    from recs_platform.pipeline.event_span import default_as_of
    from recs_platform.pipeline.questions.experiments import find_experiment, read_one, write_experiment_page
    from recs_platform.stages.reports.experiments import METRICS, SAMPLE_RATIO, judge, shown_rows, table_rows

    find_experiment(platform, name)
    if metric is not None and metric not in METRICS:
        raise UsageError(f"no metric {metric!r}; there are: {', '.join(METRICS)}")
    first = None if start is None else parse_instant(start).date()
    as_of = default_as_of(platform) if end is None else parse_instant(end)
    read = read_one(platform, name, as_of, first)
    page = write_experiment_page(platform, read, as_of)
    wanted = {SAMPLE_RATIO, *(METRICS if metric is None else (metric,))}
    if as_json:
        put_json(
            {
                "experiment": name,
                "as_of": as_of_key(as_of),
                "users": read.reading.users,
                "left_out": read.left_out,
                "sample_ratio_p": read.reading.sample_ratio_p,
                "is_split_broken": read.reading.is_split_broken,
                "rows": [row for row in table_rows(read) if row[c.METRIC] in wanted],
                "page": page,
            }
        )
        return
    shown = shown_rows(read)
    say(judge(read).message)
    put_frame(shown.filter(shown[c.METRIC].is_in(list(wanted))).select(*SHOWN, c.ADJUSTED_P, c.IS_FOUND), "table")
    say(f"page: {page}")
