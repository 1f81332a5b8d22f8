"""What a report is and what it returns, and how its page begins. What it is given is in `inputs`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.contracts.tables import AS_OF_TABLES, TableContract
from recs_platform.pages import Head, Section, write_page
from recs_platform.stages.reports.inputs import ReportInputs
from recs_platform.stages.reports.verdicts import Verdict, gravest_first, worst

if TYPE_CHECKING:
    import polars as pl

INDEX_ADDRESS = "../index.html"


@dataclass(frozen=True)
class ReportResult:
    """A report: `frame` has the columns of `table`, `verdicts` those of `reports.verdicts`.

    `html` is the name of the report's page in the folder that was given, None when it wrote none. `numbers` are the
    few that are worth a line over the as-ofs, by name.
    """

    table: str
    frame: pl.DataFrame
    verdicts: pl.DataFrame
    html: str | None
    numbers: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of the report."""
        return worst(self.verdicts[c.VERDICT].to_list())


@dataclass(frozen=True)
class Report:
    """An entry of REPORTS: one asset and one check are built from each.

    `reads`: tables, views and artifacts of the graph that it reads. `recomputes`: models that it reads as of an earlier
    instant too, computed from the events.
    """

    name: str
    title: str
    table: TableContract
    run: Callable[[ReportInputs], ReportResult]
    reads: tuple[str, ...]
    recomputes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise ContractError naming the entry and the field that is wrong."""
        missing = sorted(set(self.recomputes) - set(self.reads))
        faults = {
            f"name = {self.name!r}: it names files and checks; write letters, digits and _": self.name.isidentifier(),
            "title: say in a few words what is measured": self.title.strip(),
            f"table = {self.table.name!r}: it is not in AS_OF_TABLES of contracts/tables": self.table in AS_OF_TABLES,
            "reads: name the tables that it reads": self.reads,
            f"recomputes = {missing}: name them in reads too": not missing,
        }
        for fault, is_right in faults.items():
            if not is_right:
                raise ContractError(f"stages/reports, report {self.name!r}: {fault}")


def write_report(
    inputs: ReportInputs, name: str, title: str, sections: Sequence[Section], verdicts: pl.DataFrame
) -> str:
    """Write a report's page, its verdicts and what it was made from at the top; returns the file's name."""
    head = Head(inputs.facts, gravest_first(verdicts), INDEX_ADDRESS)
    return write_page(inputs.folder / f"{name}.html", title, inputs.as_of, sections, head)
