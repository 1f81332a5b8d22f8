"""Which commands process data about people, and for what: they enter themselves into the audit trail."""

import getpass
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from recs_platform.cli.show import say
from recs_platform.contracts.home import Home
from recs_platform.lake.audit import record_processing
from recs_platform.settings import home_folder


@dataclass(frozen=True)
class Processing:
    """What a command does with data about people. `*` = every table of a schema."""

    purpose: str
    tables: tuple[str, ...]


_ALL = ("raw.*", "features.*", "segments.*", "retrieval.*", "ranking.*", "recommendations.*", "reports.*", "marts.*")
AUDITED: Mapping[str, Processing] = {
    "demo": Processing("trial on made-up people", _ALL),
    "land": Processing("collection", ("landing",)),
    "ingest": Processing("collection", ("raw.*",)),
    "quarantine": Processing("repair of rejected records", ("raw.quarantine",)),
    "run": Processing("recommendation", _ALL),
    "backfill": Processing("recommendation", _ALL),
    "evaluate": Processing("evaluation", _ALL),
    "backtest": Processing("evaluation", _ALL),
    "tradeoff": Processing("evaluation", _ALL),
    "ope": Processing("evaluation", ("raw.events", "recommendations.*")),
    "tune": Processing("improvement of models", _ALL),
    "experiments": Processing("evaluation", ("raw.events", "reports.experiments")),
    "recommend": Processing("recommendation", ("recommendations.current",)),
    "explain": Processing("access by or on behalf of a person", ("raw.*", "features.*", "recommendations.current")),
    "sql": Processing("analysis", ("published",)),
    "publish": Processing("publication", ("published",)),
    "export": Processing("publication", ("published",)),
    "serve": Processing("recommendation", ("serving", "raw.events")),
    "forget": Processing("erasure", (*_ALL, "landing", "artifacts", "logs")),
    "prune": Processing("erasure", _ALL),
}


def enter_command(arguments: Sequence[str]) -> None:
    """Enter a command into the trail; of its arguments only the name counts, since the others name people.

    Where it cannot be entered, as in a home that may only be read, the command says so and goes on.
    """
    name = arguments[0] if arguments else ""
    found = AUDITED.get(name)
    if found is None or {"--help", "-h"} & set(arguments):
        return
    try:
        record_processing(
            Home(home_folder()), datetime.now(UTC), f"recs {name}", found.purpose, found.tables, actor=_actor()
        )
    except OSError as error:
        say(f"the audit trail could not be written: {error.strerror}")


def _actor() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        return "unknown"
