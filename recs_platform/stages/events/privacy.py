"""What is kept of people and items at ingestion: which attributes, and whether ids are stored as they came.

Here are the decisions and the SQL of the allow-list; the SQL of pseudonyms and their key belong to `pseudonyms`.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from recs_platform.contracts.regions import AVAILABILITY_ATTRIBUTES
from recs_platform.contracts.tables import ITEMS, USERS
from recs_platform.warehouse.clauses import text_literal

ALL = "*"


@dataclass(frozen=True)
class Privacy:
    """How personal data is reduced as they are ingested; the default keeps everything as it came.

    With a `key`, user ids are stored as pseudonyms under it, and quarantined rows without their payload. The key is
    not part of the text of this object.
    """

    key: bytes | None = field(default=None, repr=False)
    user_attributes: tuple[str, ...] = (ALL,)
    item_attributes: tuple[str, ...] = (ALL,)

    def allowed_attributes(self, table: str) -> tuple[str, ...]:
        """Keys of `attributes` that a contract table (`raw.users`) keeps; `*` stands for all of them.

        Those that say where an item may be offered are always kept.
        """
        items = (*self.item_attributes, *AVAILABILITY_ATTRIBUTES)
        return {USERS.name: self.user_attributes, ITEMS.name: items}.get(table, (ALL,))


def kept_attributes_sql(column: str, allowed: Collection[str]) -> str:
    """SQL of the JSON text with the allowed top-level keys of the SQL expression `column`, in their order.

    NULL when none is left, and for what is no JSON object. Keys are compared exactly; values keep their meaning but
    not their layout, a key that comes twice comes twice. With `*` the text is kept as it is.
    """
    if ALL in allowed:
        return column
    if not allowed:
        return "null::varchar"
    kept = f"list_filter({_entries(column)}, lambda entry: entry.key in ({_listed(allowed)}))"
    member = "to_json(entry.key)::varchar || ':' || coalesce(entry.value::varchar, 'null')"
    members = f"array_to_string(list_transform({kept}, lambda entry: {member}), ',')"
    return f"'{{' || nullif({members}, '') || '}}'"


def dropped_attributes_sql(column: str, allowed: Collection[str]) -> str:
    """SQL (BIGINT) of how many top-level values `kept_attributes_sql` drops; JSON that is no object counts as one.

    Nothing and a JSON null have no value to drop, and neither has text that is no JSON: that row is rejected.
    """
    if ALL in allowed:
        return "0::bigint"
    document = _document(column)
    others = f"lambda key: key not in ({_listed(allowed)})" if allowed else "lambda key: true"
    return (
        f"case coalesce(json_type({document}), 'NULL') when 'NULL' then 0::bigint "
        f"when 'OBJECT' then len(list_filter(json_keys({document}), {others}))::bigint else 1::bigint end"
    )


def _document(column: str) -> str:
    # A cast that fails must not end the ingestion: the row is quarantined by the contract's own check.
    return f"try_cast({column} as json)"


def _entries(column: str) -> str:
    return f"map_entries(try_cast({_document(column)} as map(varchar, json)))"


def _listed(allowed: Collection[str]) -> str:
    # A NUL would end the SQL text.
    return ", ".join(" || chr(0) || ".join(text_literal(part) for part in key.split("\0")) for key in allowed)
