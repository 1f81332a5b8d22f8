"""Commands about the SQL models: sql-test runs their tests, lineage shows what a column is computed from."""
# typer leaves the callbacks of its options untyped.
# pyright: reportUnknownMemberType=false

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recs_platform.cli.house import find_platform
from recs_platform.cli.options import AsJson
from recs_platform.cli.show import put_json, put_table, say
from recs_platform.contracts.errors import RecsError
from recs_platform.contracts.time import as_of_key, parse_instant

if TYPE_CHECKING:
    from recs_platform.pipeline.questions.sql_tests import SqlReport, Tested
    from recs_platform.warehouse.lineage import LineageNode

AsOf = Annotated[str | None, typer.Option("--as-of", help="Default: the newest one materialized.")]
ROWS_SHOWN = 5


def sql_test(
    model: Annotated[str | None, typer.Argument(help="The SQL model; all when absent.")] = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Run the tests of one SQL model, or of all: given/expect, data tests of the stored rows, assert_*.sql.

    A model that is not materialized has no rows to test; given/expect tests need no data at all.
    Example: recs sql-test features.user_features --as-of 2017-02-20
    """
    instant = None if as_of is None else parse_instant(as_of)
    platform = find_platform()
    from recs_platform.pipeline.questions.sql_tests import run_sql_tests

    report = run_sql_tests(platform, model, instant)
    if as_json:
        put_json(_report_json(report))
    else:
        for test in report.tests:
            _put_test(test)
        for reason in dict.fromkeys(reason for _, reason in report.untested):
            names = [name for name, why in report.untested if why == reason]
            typer.echo(f"nothing to test  {', '.join(names)}: {reason}")
    at = "" if report.as_of is None else f" as of {as_of_key(report.as_of)}"
    counts = {"failed": report.failed, "warned": report.warned, "with nothing to test": report.untested}
    say(", ".join([f"{len(report.tests)} tests{at}", *(f"{len(found)} {what}" for what, found in counts.items())]))
    if report.failed:
        raise RecsError(f"{len(report.failed)} of {len(report.tests)} tests failed")


def _put_test(test: "Tested") -> None:
    """One line a test; for a failed one its rows, up to five of a sort."""
    if not test.failures:
        typer.echo(f"passed  {test.name}")
        return
    result = "FAILED" if test.severity == "error" else "warned"
    typer.echo(f"{result}  {test.name}  {test.failures} {'row' if test.failures == 1 else 'rows'}")
    for sort, rows in test.rows.items():
        if rows:
            shown, total = rows[:ROWS_SHOWN], test.failures if sort == "failing" else len(rows)
            names = list(dict.fromkeys(name for row in shown for name in row))
            typer.echo(f"{sort}:")
            put_table(names, [[row.get(name) for name in names] for row in shown])
            if total > len(shown):
                typer.echo(f"… and {total - len(shown)} more")


def _report_json(report: "SqlReport") -> dict[str, Any]:
    return {
        "as_of": None if report.as_of is None else as_of_key(report.as_of),
        "passed": len(report.tests) - len(report.failed) - len(report.warned),
        "failed": len(report.failed),
        "warned": len(report.warned),
        "tests": [
            {
                "name": test.name,
                "kind": test.kind,
                "model": test.model or None,
                "passed": not test.failures,
                "severity": test.severity,
                "failures": test.failures,
                "rows": {sort: rows[:ROWS_SHOWN] for sort, rows in test.rows.items() if rows},
            }
            for test in report.tests
        ],
        "nothing_to_test": [{"name": name, "reason": reason} for name, reason in report.untested],
    }


def lineage(
    name: Annotated[str, typer.Argument(metavar="TABLE[.COLUMN]", help="Such as features.user_features.tenure_days.")],
    as_json: AsJson = False,
) -> None:
    """What a column, or each column of a table, is computed from: a tree down to what was ingested.

    Example: recs lineage features.user_features.user_click_through_rate
    """
    platform = find_platform()
    from recs_platform.warehouse.lineage import find_column, lineage_tree

    table, column = find_column(platform.models, name)
    tree = lineage_tree(platform.models, platform.lineage, table, column)
    if as_json:
        put_json(_node_json(tree))
        return
    typer.echo(f"{tree.name}  ({tree.kind})")
    for line in _branches(tree, ""):
        typer.echo(line)


def _branches(node: "LineageNode", indent: str) -> Iterator[str]:
    for number, below in enumerate(node.upstream, start=1):
        is_last = number == len(node.upstream)
        yield f"{indent}{'└─' if is_last else '├─'} {below.name}  ({_remark(below)})"
        yield from _branches(below, indent + ("   " if is_last else "│  "))


def _remark(node: "LineageNode") -> str:
    if node.is_above:
        return f"{node.kind}, … above"
    is_made_of_none = not node.upstream and node.kind != "contract"
    return f"{node.kind}, of no column: a constant or a count of rows" if is_made_of_none else node.kind


def _node_json(node: "LineageNode") -> dict[str, Any]:
    found: dict[str, Any] = {"table": node.table, "column": node.column, "kind": node.kind}
    if node.is_above:
        return {**found, "is_above": True}
    return {**found, "upstream": [_node_json(below) for below in node.upstream]}


def add_commands(app: typer.Typer) -> None:
    """Put this module's commands on the app."""
    app.command("sql-test")(sql_test)
    app.command()(lineage)
