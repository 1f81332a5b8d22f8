"""What the sender of a rejected row may have meant: the nearest event type, the column that holds what is missing."""

import json
from typing import Any, cast

from recs_platform.contracts import columns as c
from recs_platform.contracts.spelling import nearest
from recs_platform.contracts.tables import EventType
from recs_platform.stages.events.profiling import vocabulary
from recs_platform.stages.events.profiling.mapping import event_names, key_of

_MISSING = "missing_"


def hint_of(reason_code: str, payload: str | None) -> str:
    """A question or an advice about a rejected row; empty where there is none.

    >>> hint_of("unknown_event_type", '{"user_id": "u1", "event_type": "Viewed"}')
    "'Viewed': did you mean 'view'?"
    >>> hint_of("missing_item_id", '{"item_id": null, "sku": "A1"}')
    "'sku' may hold the item_id"
    """
    record = _record(payload)
    if reason_code == "unknown_event_type":
        return _event_type_hint(record)
    if reason_code.startswith(_MISSING):
        return _missing_hint(reason_code.removeprefix(_MISSING), record)
    return ""


def _event_type_hint(record: dict[str, Any]) -> str:
    spellings = vocabulary.COLUMNS["events"][c.EVENT_TYPE].split()
    for spelling in spellings:
        for name, value in record.items():
            if key_of(name) == spelling and isinstance(value, str):
                found = event_names([value]).get(value.strip().lower()) or nearest(value, EventType)
                return f"{value!r}: did you mean {str(found)!r}?" if found else f"{value!r} is not known"
    return ""


def _missing_hint(column: str, record: dict[str, Any]) -> str:
    spellings = vocabulary.COLUMNS["events"].get(column, "").split()
    there = {key_of(name): name for name, value in record.items() if value not in (None, "") and name != column}
    name = next((there[spelling] for spelling in spellings if spelling in there), None)
    return "" if name is None else f"{name!r} may hold the {column}"


def _record(payload: str | None) -> dict[str, Any]:
    try:
        record: object = json.loads(payload or "{}")
    except ValueError:
        return {}
    return cast("dict[str, Any]", record) if isinstance(record, dict) else {}
