"""What operators said of rankers, against the gate: pinned, or retired, each with a reason; a log beside the rankers.

What a ranker must show by itself is judged in `gate`.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from recs_platform.contracts.errors import ContractError
from recs_platform.lake.disk import replace_text

Action = Literal["pin", "unpin", "retire", "restore"]
_FILE = "ranker_overrides.jsonl"


class Override(BaseModel):
    """One word of an operator: `version` is the ranker it is about, none where whatever is pinned is unpinned.

    `serves_until`: when a retirement begins to count, for it was said ahead; at once without one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Action
    version: str | None = None
    reason: str = Field(min_length=1)
    at: AwareDatetime
    serves_until: AwareDatetime | None = None


class Overrides(BaseModel):
    """Everything said so far, oldest first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    log: tuple[Override, ...] = ()

    @property
    def pinned(self) -> Override | None:
        """The pin in force."""
        last = next((each for each in reversed(self.log) if each.action in ("pin", "unpin")), None)
        return last if last is not None and last.action == "pin" else None

    @property
    def retired(self) -> dict[str, Override]:
        """Rankers that serve no more, or will not from an instant on, by version; `known_at` leaves the latter out."""
        found: dict[str, Override] = {}
        for each in self.log:
            if each.version is not None and each.action == "retire":
                found[each.version] = each
            elif each.version is not None and each.action == "restore":
                found.pop(each.version, None)
        return found

    def known_at(self, instant: datetime) -> "Overrides":
        """What had been said by an instant, and counted then."""
        return Overrides(log=tuple(each for each in self.log if (each.serves_until or each.at) <= instant))

    def serving_on(self, instant: datetime) -> dict[str, datetime]:
        """Until when rankers may serve on that are to be retired after the instant, by version."""
        ends = {version: each.serves_until for version, each in self.retired.items()}
        return {version: end for version, end in ends.items() if end is not None and end > instant}


def read_overrides(artifacts: Path) -> Overrides:
    """What is written beside the artifacts. Raises ContractError naming the line that cannot be read."""
    file = artifacts / _FILE
    if not file.exists():
        return Overrides()
    log: list[Override] = []
    for number, line in enumerate(file.read_text("utf-8").splitlines(), start=1):
        try:
            log.append(Override.model_validate(json.loads(line)))
        except (ValidationError, ValueError) as error:
            raise ContractError(f"{file}:{number} is no override of a ranker: {error}") from None
    return Overrides(log=tuple(log))


def write_override(artifacts: Path, override: Override) -> Overrides:
    """Add one to the log; returns all of it."""
    overrides = Overrides(log=(*read_overrides(artifacts).log, override))
    artifacts.mkdir(parents=True, exist_ok=True)
    replace_text(artifacts / _FILE, "".join(f"{each.model_dump_json()}\n" for each in overrides.log))
    return overrides
