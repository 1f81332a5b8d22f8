"""The one vocabulary: every column name that Python code uses. No types, no tables: those are in `tables`."""

# Keys
USER_ID = "user_id"
ITEM_ID = "item_id"
EVENT_ID = "event_id"
REQUEST_ID = "request_id"
SESSION_ID = "session_id"
RELEASE_ID = "release_id"

# Time, in UTC
AS_OF = "as_of"
OCCURRED_AT = "occurred_at"
INGESTED_AT = "ingested_at"
EVENT_DATE = "event_date"
VALID_FROM = "valid_from"
VALID_TO = "valid_to"
SIGNED_UP_AT = "signed_up_at"
PUBLISHED_AT = "published_at"
AVAILABLE_FROM = "available_from"
AVAILABLE_UNTIL = "available_until"
TAGGED_AT = "tagged_at"
SEALED_AT = "sealed_at"
KNOWN_AT = "known_at"
FIRST_SEEN_AT = "first_seen_at"

# Events
EVENT_TYPE = "event_type"
VALUE = "value"
WEIGHT = "weight"
DWELL_SECONDS = "dwell_seconds"
SCROLL_FRACTION = "scroll_fraction"
POSITION = "position"
PROPENSITY = "propensity"
DEVICE = "device"
OS = "os"
COUNTRY = "country"
REGION = "region"
REFERRER = "referrer"
SOURCE = "source"

# Items
TITLE = "title"
BODY = "body"
CATEGORY = "category"
TAGS = "tags"
TAG = "tag"
CREATOR = "creator"
LANGUAGE = "language"
PRICE = "price"
ATTRIBUTES = "attributes"

# Users
AGE_BAND = "age_band"
GENDER = "gender"
SUBSCRIPTION = "subscription"
CONSENT_PERSONALIZATION = "consent_personalization"
ANONYMOUS_ID = "anonymous_id"
PURPOSE = "purpose"
GRANTED = "granted"

# Flags and removals
RULE = "rule"
FLAGGED_AT = "flagged_at"
ROWS_REMOVED = "rows_removed"
REMOVED_BEFORE = "removed_before"
REMOVED_AT = "removed_at"

# Ingestion
FILE_HASH = "file_hash"
SOURCE_FILE = "source_file"
LINE_NUMBER = "line_number"
CONTRACT_TABLE = "contract_table"
REASON_CODE = "reason_code"
REASON = "reason"
PAYLOAD = "payload"
RAW_RECORDS = "raw_records"
ROWS_READ = "rows_read"
ROWS_ACCEPTED = "rows_accepted"
ROWS_QUARANTINED = "rows_quarantined"
ROWS_DUPLICATE = "rows_duplicate"
ATTRIBUTES_DROPPED = "attributes_dropped"

# Segments
SEGMENT_ID = "segment_id"
SEGMENT_NAME = "segment_name"

# Retrieval, ranking, recommendations
NEIGHBOUR_ID = "neighbour_id"
SOURCES = "sources"
FUSED_SCORE = "fused_score"
SOURCE_COUNT = "source_count"
SCORE = "score"
RANK = "rank"
RANKER_VERSION = "ranker_version"
LABEL = "label"
CUTOFF = "cutoff"
LIST_LENGTH = "list_length"
ELIGIBLE_COUNT = "eligible_count"

# Evaluation and reports
MODEL = "model"
SEGMENT = "segment"
METRIC = "metric"
K = "k"
CI_LOW = "ci_low"
CI_HIGH = "ci_high"
N_USERS = "n_users"
PROTOCOL = "protocol"
HORIZON_DAYS = "horizon_days"
N_WINDOWS = "n_windows"
REPORT = "report"
SUBJECT = "subject"
VERDICT = "verdict"
THRESHOLD = "threshold"
SAMPLE_SIZE = "sample_size"
MESSAGE = "message"
TABLE_NAME = "table_name"
COLUMN_NAME = "column_name"
METHOD = "method"
ATTRIBUTE = "attribute"
GROUP = "group_name"


def source_rank(source: str) -> str:
    """Column with an item's 1-based rank in one candidate source, missing when the source did not offer it."""
    return f"{source}_rank"


def source_score_share(source: str) -> str:
    """Column with an item's score in one candidate source over the user's top score in it, in (0, 1]."""
    return f"{source}_score_share"
