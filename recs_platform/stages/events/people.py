"""A person to be forgotten: every id that is theirs, and SQL that finds their rows.

Which ids those are is looked up in `pipeline.forgetting`; files are rewritten in `landing_removal`.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from html import escape

from markupsafe import escape as markup_escape

from recs_platform.contracts import columns as c
from recs_platform.stages.events.values import PERSON_IDS
from recs_platform.warehouse.clauses import instant_literal, quoted, text_literal

# A shorter id, or one of digits alone, is found in any text by accident.
_TELLING_CHARACTERS_MIN = 5
_NUMBER_CHARACTERS_MIN = 9


@dataclass(frozen=True)
class Span:
    """Time in which an id that several people used was this person's: from `starts_at`, to before `ends_at`."""

    stored_id: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Person:
    """`ids`: as they are stored, each theirs alone. `spans`: ids that others used too. `names`: as people call them."""

    ids: tuple[str, ...]
    spans: tuple[Span, ...] = ()
    names: tuple[str, ...] = ()

    def rows_sql(
        self,
        columns: Collection[str],
        stored: Callable[[str], str] = quoted,
        instant: Callable[[datetime], str] = instant_literal,
    ) -> str | None:
        """SQL condition of their rows in a table with these columns; None where it names nobody.

        `stored` gives the SQL of an id as it is stored, `instant` that of an instant. Events of shared ids are theirs
        within their spans.
        """
        names = [name for name in PERSON_IDS if name in columns]
        if not names:
            return None
        listed = ", ".join(map(text_literal, self.ids))
        parts = [f"{stored(name)} in ({listed})" for name in names]
        if c.OCCURRED_AT in columns and c.ITEM_ID in columns:
            parts += [
                f"({stored(c.USER_ID)} = {text_literal(span.stored_id)} and {c.OCCURRED_AT} >= "
                f"{instant(span.starts_at)} and {c.OCCURRED_AT} < {instant(span.ends_at)})"
                for span in self.spans
            ]
        return f"({' or '.join(parts)})"

    @property
    def telling(self) -> tuple[str, ...]:
        """Ids and names that stand for nothing else where a text holds them as a word, the longest first."""
        found = {*self.ids, *self.names}
        return tuple(sorted(filter(_is_telling, found), key=lambda name: (-len(name), name)))

    def words(self, *, only_telling: bool = True) -> re.Pattern[str] | None:
        """Finds their ids as whole words, as they are and as JSON and HTML spell them; None without any."""
        given = self.telling if only_telling else tuple({*self.ids, *self.names})
        names = dict.fromkeys(spelling for name in given for spelling in _spellings(name))
        return re.compile(rf"(?<![\w])(?:{'|'.join(map(re.escape, names))})(?![\w])") if names else None


def _spellings(name: str) -> tuple[str, ...]:
    """An id as it is, in JSON, and in HTML as the standard library and as Jinja write it."""
    return name, json.dumps(name)[1:-1], escape(name), str(markup_escape(name))


def united(people: Iterable[Person]) -> Person:
    """Several people, whose rows are removed together."""
    every = list(people)
    return Person(
        tuple(dict.fromkeys(each for person in every for each in person.ids)),
        tuple(span for person in every for span in person.spans),
        tuple(name for person in every for name in person.names),
    )


def _is_telling(name: str) -> bool:
    return len(name) >= (_NUMBER_CHARACTERS_MIN if name.isdecimal() else _TELLING_CHARACTERS_MIN)
