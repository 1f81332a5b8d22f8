"""`recs ope`: what lists would have earned, from a log of others."""
# typer leaves the callbacks of its options untyped.
# pyright: reportUnknownMemberType=false

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from recs_platform.cli.house import find_platform
from recs_platform.cli.show import put_json, put_table
from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.spelling import did_you_mean
from recs_platform.contracts.tables import EventType
from recs_platform.contracts.time import as_of_key, parse_instant

if TYPE_CHECKING:
    from recs_platform.pipeline.off_policy.evaluate import OffPolicyResult


def ope(
    policy: Annotated[
        str, typer.Option("--policy", help="final, release:ID, or the name of a source: popularity, als.")
    ],
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="Lists as of then; by default the last before the log's end.")
    ] = None,
    start: Annotated[str | None, typer.Option("--from", help="Impressions from then on; by default the as-of.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Impressions before then; by default all.")] = None,
    metric: Annotated[str, typer.Option("--metric", help="Type of the event that answers an impression.")] = "click",
    k: Annotated[int | None, typer.Option("--k", "-k", min=1, help="Items of a list; by default as set.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """What lists would have earned, estimated from logged impressions with propensities (off-policy evaluation).

    Example: recs ope --policy popularity --as-of 2019-11-27
    """
    at, first, last = (None if text is None else parse_instant(text) for text in (as_of, start, end))
    event = _event_type(metric)
    platform = find_platform()
    from recs_platform.pipeline.off_policy.evaluate import Asked, evaluate_policy
    from recs_platform.pipeline.off_policy.policies import require_policy

    require_policy(policy, at)
    found = evaluate_policy(platform, Asked(policy, at, first, last, event, k), datetime.now(UTC))
    if as_json:
        put_json(found.numbers())
    else:
        _show(found)


def _event_type(name: str) -> EventType:
    known = [str(each) for each in EventType if each != EventType.IMPRESSION]
    if name not in known:
        raise UsageError(f"no metric {name!r}{did_you_mean(name, known) or '; known: ' + ', '.join(known)}")
    return EventType(name)


def _show(found: "OffPolicyResult") -> None:
    overlap, logged = found.overlap, found.logged
    typer.echo(
        f"{found.policy} as of {as_of_key(found.as_of)} ({found.release_id}), first {found.k} of each list; "
        f"impressions from {found.start:%Y-%m-%d %H:%M} to {found.end:%Y-%m-%d %H:%M}, {found.users:,} users"
    )
    if found.users_without_list:
        typer.echo(f"{found.users_without_list:,} users of the log have no such list and are left out")
    typer.echo(
        f"value: mean {found.metric}s of a shown item; the log's own: {logged.value:.5f} "
        f"({logged.low:.5f} to {logged.high:.5f})\n"
    )
    rows = [
        (each.estimator, f"{each.value:.5f}", f"{each.low:.5f}", f"{each.high:.5f}", f"{each.ess:,.0f}",
         f"{overlap.n_rows:,}", overlap.verdict)
        for each in found.estimates
    ]  # fmt: skip
    put_table(("estimator", "value", "low", "high", "ess", "n", "verdict"), rows)
    typer.echo("")
    if overlap.lacks:
        typer.echo("not estimable from this log: " + "; ".join(overlap.lacks))
    else:
        typer.echo(
            f"estimable: the log could show {overlap.supported:.0%} of what the policy shows "
            f"({overlap.supported_low:.0%} to {overlap.supported_high:.0%}); greatest weight {overlap.max_weight:.1f}"
        )


def add_commands(app: typer.Typer) -> None:
    """Put the command on the app."""
    app.command()(ope)
