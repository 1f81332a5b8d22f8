"""Texts that say nothing, and words for yes and no: what counts as which, wherever a value is read."""

# What separates words on a page or screen, and marks that are not seen at all.
BLANKS = (
    " \t\n\r\v\f\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)

# In the place of any id; compared in lower case. As a key they would make one of everybody who has none.
PLACEHOLDERS = (
    "undefined",
    "null",
    "none",
    "nil",
    "nan",
    "n/a",
    "<na>",
    "na",
    "#n/a",
    "\\n",
    "<nil>",
    "-",
    "--",
    "not set",
    "(not set)",
    "(other)",
    "(none)",
    "(null)",
    "(empty)",
    "[object object]",
    "{}",
    "[]",
)
# Texts that hold no id either: an object that was written as text, a template that was not filled in.
PLACEHOLDER_PATTERNS = (
    r"\[object [a-z]+\]",
    r"[\"'](?:undefined|null|none|nan)[\"']",
    r"\$\{.*\}",
    r"\{\{.*\}\}",
    r"%[a-z_]+%",
)
# In the place of a person's id only: an item may well be called so.
NOBODY = ("anonymous", "anon", "guest", "unknown", "not_authenticated", "not authenticated", "true", "false", "-1")
# Zeros alone are nobody's id from this length on, dashes not counted: shorter ones are the first of a series.
ZEROS_MIN = 8

# Of consent and of any other truth value; compared in lower case. What is neither is no truth value.
TRUE_WORDS = (
    "true",
    "t",
    "yes",
    "y",
    "1",
    "1.0",
    "on",
    "granted",
    "allowed",
    "accepted",
    "opt_in",
    "opted_in",
    "opt-in",
)
FALSE_WORDS = (
    "false", "f", "no", "n", "0", "0.0", "off", "denied", "disallowed", "rejected", "refused", "declined", "withdrawn",
    "revoked", "opt_out", "opted_out", "opt-out",
)  # fmt: skip
