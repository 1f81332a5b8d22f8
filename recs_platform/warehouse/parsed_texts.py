"""What was read from SQL texts, kept in a file: to load sqlglot and parse a few models takes a third of a rollback.

A text is known by its hash; what another version of sqlglot or of the reading made is forgotten, and so are texts that
were not asked for in a long time: each change of a model leaves one behind. Reading: `sql`.
"""

import importlib.metadata
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from recs_platform.lake.disk import replace_text
from recs_platform.warehouse import sql as reading
from recs_platform.warehouse.sql import ParsedSql, Placeholder, parse_sql

_MADE_BY, _TEXTS = "made_by", "texts"
# Several times what a package has; the last that were asked for stay.
KEPT_MAX = 300


class ParsedTexts:
    """Texts as `parse_sql` reads them; those of the file are not read again."""

    def __init__(self, file: Path) -> None:
        self._file = file
        code = sha256(Path(reading.__file__).read_bytes()).hexdigest()
        self._made_by = f"{importlib.metadata.version('sqlglot')} {code}"
        self._texts = self._kept()
        self._is_new = False

    def parse(self, sql: str) -> ParsedSql:
        """As `parse_sql`. Raises ModelError as it does."""
        key = sha256(sql.encode()).hexdigest()
        found = self._texts.pop(key, None)
        if found is None:
            found = parse_sql(sql)
            self._is_new = True
        self._texts[key] = found  # in the order in which they were asked for last
        return found

    def keep(self) -> None:
        """Write what was read for the next process; a home that cannot be written to keeps nothing."""
        if self._is_new:
            texts = {key: asdict(parsed) for key, parsed in list(self._texts.items())[-KEPT_MAX:]}
            with suppress(OSError):
                self._file.parent.mkdir(parents=True, exist_ok=True)
                replace_text(self._file, json.dumps({_MADE_BY: self._made_by, _TEXTS: texts}) + "\n")

    def _kept(self) -> dict[str, ParsedSql]:
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            if kept[_MADE_BY] != self._made_by:
                return {}
            return {key: _parsed(each) for key, each in kept[_TEXTS].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}


def _parsed(kept: Mapping[str, Any]) -> ParsedSql:
    return ParsedSql(
        output_names=tuple(kept["output_names"]),
        tables=tuple(kept["tables"]),
        placeholders=tuple(Placeholder(**each) for each in kept["placeholders"]),
        normalized=kept["normalized"],
    )
