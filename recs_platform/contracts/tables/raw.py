"""Raw tables: what was ingested, what was rejected, and the ledger of files. Written by ingestion alone."""

from dataclasses import replace

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables.table import (
    INGESTED,
    ITEM,
    USER,
    Column,
    EventType,
    Range,
    TableContract,
    count,
    instant,
    number,
    text,
)

PERSONALIZATION = "personalization"

# Sums over ten million rows of the greatest amounts stay exact in DECIMAL(38, 9), in which models add.
AMOUNT_MAX = 1e12
_AMOUNTS = Range(-AMOUNT_MAX, AMOUNT_MAX)
_PRICES = Range(0, AMOUNT_MAX)
_SECONDS = Range(0, 1e9)
_FRACTIONS = Range(0, 1)
_POSITIONS = Range(1, 2**31 - 1)
_PROBABILITIES = Range(0, 1, is_above=True)

EVENTS = TableContract(
    "raw.events",
    "One row an accepted event, exactly as validated at ingestion",
    (
        text(c.EVENT_ID, "Identity of the event; a hash of its content where the source gives none", required=True),
        text(c.FILE_HASH, "SHA-256 of the file it came in", required=True),
        USER,
        ITEM,
        text(c.EVENT_TYPE, "What happened: " + ", ".join(EventType), required=True),
        instant(c.OCCURRED_AT, "When it happened", required=True),
        INGESTED,
        Column(c.EVENT_DATE, "DATE", "UTC date of occurred_at", required=True),
        text(c.SESSION_ID, "The visit it belongs to"),
        number(c.VALUE, "Rating given or amount paid", "source's own", within=_AMOUNTS),
        number(c.DWELL_SECONDS, "Time spent on the item", "seconds", within=_SECONDS),
        number(c.SCROLL_FRACTION, "How far the item was scrolled", "fraction 0-1", within=_FRACTIONS),
        Column(c.POSITION, "INTEGER", "Place in the list shown, from 1", within=_POSITIONS),
        text(c.REQUEST_ID, "The list request that showed it"),
        number(
            c.PROPENSITY,
            "Probability with which the logging policy chose it",
            "probability (0, 1]",
            within=_PROBABILITIES,
        ),
        text(c.DEVICE, "Kind of device"),
        text(c.OS, "Operating system"),
        text(c.COUNTRY, "Country of the event"),
        text(c.REGION, "Region of the event"),
        text(c.REFERRER, "Where the user came from"),
        text(c.SOURCE, "Name of the data source", required=True),
    ),
    grain=(c.EVENT_ID,),
)

ITEMS = TableContract(
    "raw.items",
    "One row an item: what is known of it now",
    (
        ITEM,
        text(c.TITLE, "Title"),
        text(c.BODY, "Text"),
        text(c.CATEGORY, "Main category"),
        Column(c.TAGS, "VARCHAR[]", "Tags or genres"),
        text(c.CREATOR, "Author, maker or channel"),
        text(c.LANGUAGE, "Language code"),
        number(c.PRICE, "Price", "source's currency", within=_PRICES),
        instant(c.PUBLISHED_AT, "When it was published"),
        instant(c.AVAILABLE_FROM, "Not to be recommended before"),
        instant(c.AVAILABLE_UNTIL, "Not to be recommended from this instant on"),
        text(c.ATTRIBUTES, "Everything else, as JSON"),
    ),
    grain=(c.ITEM_ID,),
)

USERS = TableContract(
    "raw.users",
    "One row a user: what is known of them now",
    (
        USER,
        instant(c.SIGNED_UP_AT, "When the user signed up"),
        text(c.COUNTRY, "Home country"),
        text(c.AGE_BAND, "Age band"),
        text(c.GENDER, "Gender as stated"),
        text(c.SUBSCRIPTION, "Plan"),
        Column(c.CONSENT_PERSONALIZATION, "BOOLEAN", "Whether personal recommendations are allowed"),
        text(c.ATTRIBUTES, "Everything else, as JSON"),
    ),
    grain=(c.USER_ID,),
)

_VALIDITY = (
    instant(c.VALID_FROM, "Known from this instant on", required=True),
    instant(c.VALID_TO, "Replaced at this instant; empty while current"),
)
ITEM_HISTORY = replace(
    ITEMS.with_columns(*_VALIDITY),
    name="raw.item_history",
    description="One row an item and version of what was known of it",
    grain=(c.ITEM_ID, c.VALID_FROM),
)
USER_HISTORY = replace(
    USERS.with_columns(*_VALIDITY),
    name="raw.user_history",
    description="One row a user and version of what was known of them",
    grain=(c.USER_ID, c.VALID_FROM),
)

ITEM_TAGS = TableContract(
    "raw.item_tags",
    "One row a tag that was put on an item",
    (
        ITEM,
        text(c.TAG, "The tag", required=True),
        instant(c.TAGGED_AT, "When it was put there"),
        text(c.FILE_HASH, "SHA-256 of the file it came in", required=True),
        INGESTED,
    ),
    grain=(c.ITEM_ID, c.TAG, c.TAGGED_AT),
)

IDENTITIES = TableContract(
    "raw.identities",
    "One row a moment at which an anonymous, device or login id turned out to belong to a user",
    (
        text(
            c.ANONYMOUS_ID, "Id that events carry before the user is known: anonymous, device or login", required=True
        ),
        text(c.USER_ID, "The user it belongs to", required=True),
        instant(c.VALID_FROM, "Known from this instant on, such as the login", required=True),
        text(c.FILE_HASH, "SHA-256 of the file it came in", required=True),
        INGESTED,
    ),
    grain=(c.ANONYMOUS_ID, c.USER_ID, c.VALID_FROM),
)

CONSENTS = TableContract(
    "raw.consents",
    "One row a consent that was given or withdrawn for a purpose; the latest counts, and of equal ones the withdrawal",
    (
        text(c.USER_ID, "The user", required=True),
        text(c.PURPOSE, f"What the consent is for; {PERSONALIZATION} is the one that lists need", required=True),
        Column(c.GRANTED, "BOOLEAN", "True when given, false when withdrawn", required=True),
        instant(c.OCCURRED_AT, "When it was given or withdrawn", required=True),
        text(c.FILE_HASH, "SHA-256 of the file it came in", required=True),
        INGESTED,
    ),
    grain=(c.USER_ID, c.PURPOSE, c.GRANTED, c.OCCURRED_AT),
)

EVENT_FLAGS = TableContract(
    "raw.event_flags",
    "One row an event and rule that found it unlike the events of its type; features leave flagged events out",
    (
        text(c.EVENT_ID, "The event, which stays in raw.events", required=True),
        text(c.RULE, "The rule that flagged it", required=True),
        number(c.SCORE, "How far it lies from what is usual", "the rule's own"),
        instant(c.FLAGGED_AT, "When it was flagged", required=True),
    ),
    grain=(c.EVENT_ID, c.RULE),
)

REMOVALS = TableContract(
    "raw.removals",
    "One row a file and table of which rows were removed again, so that the ledger still adds up",
    (
        text(c.FILE_HASH, "SHA-256 of the file they came in", required=True),
        text(c.CONTRACT_TABLE, "Table they were removed from", required=True),
        text(c.REASON_CODE, "Why: retention, or forgotten on request", required=True),
        count(c.ROWS_REMOVED, "Rows that are no longer there"),
        instant(c.REMOVED_BEFORE, "Rows that occurred before this instant were removed"),
        instant(c.REMOVED_AT, "When the latest of them were removed"),
    ),
    grain=(c.FILE_HASH, c.CONTRACT_TABLE, c.REASON_CODE),
)

QUARANTINE = TableContract(
    "raw.quarantine",
    "One row a record that was rejected, with the reason",
    (
        text(c.FILE_HASH, "SHA-256 of the file it came in", required=True),
        text(c.SOURCE_FILE, "File, relative to landing"),
        count(c.LINE_NUMBER, "Line or record in the file, from 1", required=False, unit=""),
        text(c.CONTRACT_TABLE, "Table it was meant for"),
        text(c.REASON_CODE, "Stable short code of the reason"),
        text(c.REASON, "The reason as a sentence"),
        text(c.PAYLOAD, "The record as it came, as JSON or text"),
        instant(c.INGESTED_AT, "When it was rejected"),
    ),
    grain=(c.FILE_HASH, c.CONTRACT_TABLE, c.LINE_NUMBER),
)

INGESTIONS = TableContract(
    "raw.ingestions",
    "One row a file and table ingested: rows_read = rows_accepted + rows_quarantined + rows_duplicate",
    (
        text(c.FILE_HASH, "SHA-256 of the file", required=True),
        text(c.SOURCE_FILE, "File, relative to landing"),
        text(c.SOURCE, "Name of the data source"),
        text(c.CONTRACT_TABLE, "Table the rows went to"),
        count(c.RAW_RECORDS, "Records in the file, counted independently", unit="records"),
        count(c.ROWS_READ, "Contract rows the source SQL gave, plus records that could not be parsed"),
        count(c.ROWS_ACCEPTED, "Rows ingested"),
        count(c.ROWS_QUARANTINED, "Rows rejected with a reason"),
        count(c.ROWS_DUPLICATE, "Rows already there"),
        count(c.ATTRIBUTES_DROPPED, "Values dropped because their attribute is not on the allow-list", unit="values"),
        instant(c.INGESTED_AT, "When the file was ingested"),
    ),
    grain=(c.FILE_HASH, c.CONTRACT_TABLE),
)
