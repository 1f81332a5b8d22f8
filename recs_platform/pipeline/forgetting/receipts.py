"""What is kept of a forgetting: `<home>/forgets/<n>.json`, written as it goes, and a receipt when it is done.

It names people by keyed hashes. Numbers are entered before their rows go, and the greatest stays: one that was killed
and repeated gives the same receipt.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import AwareDatetime, BaseModel, ConfigDict

from recs_platform.contracts.counted import counted
from recs_platform.lake.disk import replace_text

if TYPE_CHECKING:
    from collections.abc import Collection

    from recs_platform.contracts.home import Home


class Removed(BaseModel):
    """What went from one place: rows, records, files or mentions; hashes of a file that was rewritten."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int
    before: str | None = None
    after: str | None = None


class Receipt(BaseModel):
    """One forgetting. `ids`: hashes of all ids, `removed`: by place, paths relative to the home.

    `rankers` learned from the person: they serve no more, or not after `rankers_until`. `left` are
    sentences about what is the operator's to remove.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    ids: tuple[str, ...]
    begun_at: AwareDatetime
    finished_at: AwareDatetime | None = None
    removed: dict[str, Removed] = {}
    rankers: tuple[str, ...] = ()
    rankers_until: AwareDatetime | None = None
    left: tuple[str, ...] = ()

    @property
    def fate_of_rankers(self) -> str:
        """What becomes of those that learned from the person, as a sentence."""
        named = f"{counted(len(self.rankers), 'ranker')} that learned from them"
        if self.rankers_until is None or not self.rankers:
            return f"{named} serve no more; `recs run` trains without them"
        return f"{named} may serve until {self.rankers_until:%Y-%m-%d %H:%M} UTC; a run trains without them"


class Journal:
    """A receipt that is being written."""

    def __init__(self, home: Home, receipt: Receipt) -> None:
        self._home, self.receipt = home, receipt

    def note(self, place: str, count: int, before: str | None = None, after: str | None = None) -> None:
        """Enter what is about to go from a place; of a repeated step the greater number stays."""
        known = self.receipt.removed.get(place)
        if count and (known is None or known.count <= count):
            removed = {**self.receipt.removed, place: Removed(count=count, before=before, after=after)}
            self._write(self.receipt.model_copy(update={"removed": removed}))

    def flag(self, rankers: Collection[str], until: datetime | None = None) -> None:
        """Enter rankers that learned from the person, and until when they may serve; what was told first stays."""
        found = tuple(sorted({*self.receipt.rankers, *rankers}))
        told = self.receipt.rankers_until if self.receipt.rankers else until
        self._write(self.receipt.model_copy(update={"rankers": found, "rankers_until": told}))

    def leave(self, sentences: Collection[str]) -> None:
        """Enter what is not removed."""
        self._write(self.receipt.model_copy(update={"left": tuple(sorted({*self.receipt.left, *sentences}))}))

    def finish(self, at: datetime) -> Receipt:
        """Make it a receipt."""
        self._write(self.receipt.model_copy(update={"finished_at": at}))
        return self.receipt

    def _write(self, receipt: Receipt) -> None:
        self.receipt = receipt
        self._home.forgets.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_text(self._home.forgets / f"{receipt.number}.json", receipt.model_dump_json(indent=2) + "\n")


def open_journal(home: Home, ids: Collection[str], now: datetime) -> Journal:
    """The unfinished one that names any of the ids (hashes), with all of them; else a new one."""
    receipts = read_receipts(home)
    for receipt in receipts:
        if receipt.finished_at is None and set(ids) & set(receipt.ids):
            journal = Journal(home, receipt.model_copy(update={"ids": tuple(sorted({*ids, *receipt.ids}))}))
            journal.leave(())
            return journal
    number = max((receipt.number for receipt in receipts), default=0) + 1
    journal = Journal(home, Receipt(number=number, ids=tuple(sorted(ids)), begun_at=now))
    journal.leave(())
    return journal


def read_receipts(home: Home) -> list[Receipt]:
    """All of a home, by number."""
    files = (file for file in home.forgets.glob("*.json") if file.stem.isdecimal())
    return sorted(
        (Receipt.model_validate_json(file.read_text("utf-8")) for file in files), key=lambda each: each.number
    )
