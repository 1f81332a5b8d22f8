"""Scalar macros for the SQL of sources and for the checks of rows: instants, texts, ids, truth values.

Each turns a text into a value or into NULL by the text alone: no session setting and no row before it plays a part.
"""

import duckdb

from recs_platform.contracts.texts import (
    BLANKS,
    FALSE_WORDS,
    NO_ID_PATTERNS,
    NOBODY,
    PLACEHOLDERS,
    TRUE_WORDS,
    any_of,
)
from recs_platform.contracts.time import (
    DAY_MICROSECONDS,
    HOUR_MICROSECONDS,
    INSTANT_PARTS,
    INSTANT_PATTERN,
    MINUTE_MICROSECONDS,
    SECOND_MICROSECONDS,
)
from recs_platform.warehouse.clauses import literal, text_literal

# Those that the SQL of sources may call.
MACROS = frozenset({
    "bare", "present", "person", "instant", "epoch_instant", "local_instant", "right_instant", "call_instant", "times",
    "truth", "consent_told", "under", "under_any",
})  # fmt: skip

# Most texts look so; DuckDB then reads them without taking them apart.
_YEAR = r"(000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})"
_PLAIN = _YEAR + r"-[0-9]{2}-[0-9]{2}[ T]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?"
_OFFSET = r"[+-]([01][0-9]|2[0-3]):[0-5][0-9]"
# Instants that DuckDB, Python and readers of Parquet all hold: the years 1 to 9999.
_FIRST_US, _LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999

_DAY = """case
    when p.day <> '' then try_cast(p.day as date)
    when p.basic_day <> '' then try_cast(p.basic_day[1:4] || '-' || p.basic_day[5:6] || '-' || p.basic_day[7:8] as date)
    when p.ordinal <> '' then try_cast(p.ordinal[1:4] || '-01-01' as date) + (p.ordinal[-3:]::integer - 1)
    when p.week <> '' then try(make_date(p.week[1:4]::integer, 1, 4))
        - isodow(make_date(p.week[1:4]::integer, 1, 4))::integer
        + 7 * regexp_extract(p.week, '[Ww]([0-9]{2})', 1)::integer - 7 + p.week[-1]::integer
end"""
# Not a blank at either end, as long as all is ASCII: nine of ten texts, recognized without looking at each character.
_IS_BARE = (
    "strlen(t) = length(t) and t >= '!' and not ("
    + " or ".join(f"suffix(t, chr({ord(blank)}))" for blank in BLANKS if blank.isascii())
    + ")"
)
# A day that its year or its ISO year does not have counts into the next one.
_IS_DAY = """case
    when c.p.ordinal <> '' then year(c.day) = c.p.ordinal[1:4]::integer
    when c.p.week <> '' then isoyear(c.day) = c.p.week[1:4]::integer
    else true
end"""
_CLOCK_US = f"""{HOUR_MICROSECONDS} * coalesce(nullif(p.hour, '')::bigint, 0)
    + {MINUTE_MICROSECONDS} * coalesce(nullif(p.minute, '')::bigint, 0)
    + {SECOND_MICROSECONDS} * coalesce(nullif(p.second, '')::bigint, 0) + rpad(p.fraction[1:6], 6, '0')::bigint"""
_OFFSET_US = f"""(case when c.p.sign = '-' then -1 else 1 end * {MINUTE_MICROSECONDS}) * (
    60 * coalesce(nullif(c.p.offset_hours, '')::bigint, 0) + coalesce(nullif(c.p.offset_minutes, '')::bigint, 0))"""
_IS_CLOCK = f"""coalesce(nullif(c.p.minute, '')::integer, 0) < 60 and coalesce(nullif(c.p.second, '')::integer, 0) < 60
    and c.clock_us <= {DAY_MICROSECONDS} and coalesce(nullif(c.p.offset_hours, '')::integer, 0) < 24
    and coalesce(nullif(c.p.offset_minutes, '')::integer, 0) < 60"""


def prepare_macros(con: duckdb.DuckDBPyConnection) -> None:
    """Make the macros on a connection.

    Those for the SQL of sources:

    - `bare(text)`: without the blanks around it, NULL when nothing is left.
    - `present(text)`: as `bare`, NULL also for what programmes write where they have no id (`undefined`, `(not set)`).
    - `person(text)`: as `present`, NULL also for words that stand for nobody in particular (`guest`).
    - `instant(text)`: TIMESTAMPTZ of an ISO 8601 text, as `contracts.time.read_instant` reads it.
    - `epoch_instant(value, unit)`: TIMESTAMPTZ of a number or its text, counted in 's', 'ms' or 'us' since 1970; with
      'any', what is below 1e11 counts as seconds and what is below 1e14 as milliseconds.
    - `local_instant(timestamp, zone)`: TIMESTAMPTZ of what clocks in a zone show.
    - `right_instant(shown, sent, received)`: TIMESTAMPTZ of what a sender's clock showed, set right by how far it
      was from the receiver's when it sent; NULL unless all three are instants.
    - `call_instant(original, stamp, sent, received)`: VARCHAR of when a call of the Segment spec happened, its
      clock set right where that can be told, else as it came.
    - `times(text, text)`: DOUBLE, exact to nine digits where the numbers allow.
    - `under(json, name)`, `under_any(jsons, name)`: the JSON values under keys that are `name` but for case and `_`.
    - `truth(text)`: BOOLEAN of the words in use for it, in any case.
    - `consent_told(texts)`: of what was said in several places 'false' if one refuses, else what cannot be read, else
      'true'; NULL when nothing was said.
    """
    for signature, body in _macros().items():
        con.execute(f"create or replace temp macro {signature} as {body}")
    # Until somebody is forgotten: `forgotten.prepare_forgotten` puts another in its place.
    con.execute("create or replace temp macro is_forgotten(t) as false")


def once(value: str, name: str, body: str) -> str:
    """SQL of `body`, in which `name` stands for a value that is written, and computed, once.

    Macros put in the text of their arguments wherever they name them: nested ones would grow without bound.
    """
    return f"list_transform([{value}], lambda {name}: {body})[1]"


def _macros() -> dict[str, str]:
    """Bodies by signature; later ones use earlier ones."""
    scale = f"case {_UNIT} when 's' then {SECOND_MICROSECONDS} when 'ms' then 1000 when 'us' then 1 end"
    bare = f"case when {_IS_BARE} then t else nullif(trim(t, {literal(BLANKS)}), '') end"
    epoch_us = f"try(floor(n * {scale})::bigint)"
    return {
        "bare(given)": once("given::varchar", "t", bare),
        "is_placeholder(given)": _is_one_of("given", PLACEHOLDERS, *NO_ID_PATTERNS),
        "is_nobody(given)": _is_one_of("given", (*PLACEHOLDERS, *NOBODY), *NO_ID_PATTERNS),
        "present(given)": once("bare(given)", "t", "case when not is_placeholder(t) then t end"),
        "person(given)": once("bare(given)", "t", "case when not is_nobody(t) then t end"),
        "instant_within(us)": once(
            "us", "u", f"case when u between {_FIRST_US} and {_LAST_US} then make_timestamptz(u) end"
        ),
        "instant_of_parts(given)": _instant_of_parts(),
        "instant_of_column(given)": _instant("given"),
        "instant(given)": once("given", "t", _instant("t")),
        "epoch_instant(given, unit)": once(
            "try_cast(given::varchar as decimal(38, 9))", "n", f"instant_within({epoch_us})"
        ),
        "local_instant(shown, zone)": "timezone(zone, shown::timestamp)",
        # What happened after it was sent was shown by another clock than that of the sender.
        "right_instant(shown, sent, received)": once(
            "[epoch_us(instant(shown)), epoch_us(instant(sent)), epoch_us(instant(received))]",
            "i",
            "case when i[1] <= i[2] then instant_within(i[3] - i[2] + i[1]) end",
        ),
        "call_instant(original, stamp, sent, received)": (
            "coalesce(right_instant(coalesce(bare(original), stamp), sent, received)::varchar, "
            "bare(stamp), bare(original), received)"
        ),
        "under(given, name)": once(
            "map_entries(try_cast(try_cast(given as json) as map(varchar, json)))",
            "entries",
            "list_transform(list_filter(entries, lambda e: "
            "replace(replace(lower(e.key), '_', ''), 'isation', 'ization') = name), lambda e: e.value)",
        ),
        "under_any(given, name)": "flatten(list_transform(given, lambda g: under(g, name)))",
        "times(one, other)": once(
            "[one, other]",
            "f",
            "coalesce(try((try_cast(f[1] as decimal(38, 9)) * try_cast(f[2] as decimal(38, 9)))::double), "
            "try_cast(f[1] as double) * try_cast(f[2] as double))",
        ),
        "truth(given)": once(
            "bare(given)",
            "t",
            f"case when {_is_one_of('t', TRUE_WORDS)} then true when {_is_one_of('t', FALSE_WORDS)} then false end",
        ),
        "consent_told(given)": once(
            "list_filter(list_transform(given, lambda g: bare(g)), lambda g: g is not null)",
            "said",
            "case when len(said) = 0 then null "
            "when list_contains(list_transform(said, lambda g: truth(g)), false) then 'false' "
            "else coalesce(list_filter(said, lambda g: truth(g) is null)[1], 'true') end",
        ),
    }


_UNIT = "(case when unit <> 'any' then unit when abs(n) < 1e11 then 's' when abs(n) < 1e14 then 'ms' else 'us' end)"


def _instant(text: str) -> str:
    """SQL of the instant of a text that is named, not an expression: it stands here several times."""
    return (
        # UTC as it is written by most, and by DuckDB: the cast to a TIMESTAMP passes over the offset.
        f"case when regexp_full_match({text}, {text_literal(_PLAIN + '(Z|[+]00)?')}) "
        f"then make_timestamptz(epoch_us(try_cast({text} as timestamp))) "
        f"when regexp_full_match({text}, {text_literal(_PLAIN + _OFFSET)}) "
        f"then instant_within(epoch_us(try_cast(left({text}, -6) as timestamp)) - {MINUTE_MICROSECONDS} * "
        f"({text}[-6] || '1')::bigint * (60 * {text}[-5:-4]::bigint + {text}[-2:]::bigint)) "
        f"when {text} is not null then instant_of_parts({text}) end"
    )


def _is_one_of(text: str, words: tuple[str, ...], *patterns: str) -> str:
    """SQL of whether a text is one of the words in any case, or fits a pattern; one pass over its characters."""
    return f"regexp_full_match({text}, {text_literal(any_of(words, *patterns))})"


def _instant_of_parts() -> str:
    """SQL that takes a text apart once and reckons with its parts."""
    names = ", ".join(map(text_literal, INSTANT_PARTS))
    parts = f"regexp_extract(bare(given), {text_literal(f'^(?:{INSTANT_PATTERN})$')}, [{names}])"
    counted = f"{{'day': {_DAY}, 'clock_us': {_CLOCK_US}, 'p': p}}"
    checked = (
        f"case when {_IS_DAY} and {_IS_CLOCK} then "
        f"instant_within(epoch_us(c.day::timestamp) + c.clock_us - {_OFFSET_US}) end"
    )
    return once(once(parts, "p", counted), "c", checked)
