"""Structured logs: one JSON line a message in `<home>/logs`."""

import json
import logging
from datetime import datetime
from pathlib import Path

import dagster as dg

from recs_platform.lake.disk import replace_bytes
from recs_platform.pipeline.platform import Platform

LOG_FILE = "runs.jsonl"
_MODE = 0o600
_TIME = "%Y-%m-%dT%H:%M:%S"  # of the machine


class JsonLines(logging.Formatter):
    """One JSON object a record: time, level, run, step, message."""

    def format(self, record: logging.LogRecord) -> str:
        meta = getattr(record, "dagster_meta", {})
        line = {
            "at": self.formatTime(record, _TIME),
            "level": record.levelname,
            "run_id": meta.get("run_id"),
            "job": meta.get("job_name"),
            "step": meta.get("step_key"),
            "message": meta.get("orig_message") or record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps({name: value for name, value in line.items() if value is not None})


class ClosingFileHandler(logging.FileHandler):
    """Holds the file open only while it writes: a daemon that starts many runs keeps no handle of any."""

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        self.close()


def file_logger(platform: Platform) -> dg.LoggerDefinition:
    """A Dagster logger that appends to `<home>/logs/runs.jsonl`."""

    def start(context: dg.InitLoggerContext) -> logging.Logger:  # noqa: ARG001 - Dagster's signature
        return open_log(platform.home.logs / LOG_FILE)

    return dg.LoggerDefinition(start, description="JSON lines in the home's logs folder")


def open_log(path: Path) -> logging.Logger:
    """A logger with one handler on `path`, whatever the number of calls."""
    path.parent.mkdir(parents=True, exist_ok=True)
    logger = logging.Logger(f"recs:{path}", logging.INFO)
    handler = ClosingFileHandler(path, delay=True)
    handler.setFormatter(JsonLines())
    logger.addHandler(handler)
    return logger


def drop_old_lines(path: Path, before: datetime) -> None:
    """Leave out of a log what was written before an instant; lines that tell no time stay."""
    if not path.exists():
        return
    lines, limit = path.read_bytes().splitlines(keepends=True), before.astimezone().strftime(_TIME)
    kept = [line for line in lines if (_time_of(line) or limit) >= limit]
    if len(kept) < len(lines):
        replace_bytes(path, b"".join(kept))
        path.chmod(_MODE)


def _time_of(line: bytes) -> str | None:
    try:
        found: dict[str, object] = json.loads(line)
        return str(found["at"])
    except (ValueError, KeyError, TypeError):  # cut off, as by a full disk
        return None
