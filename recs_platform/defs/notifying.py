"""Telling people that a run failed: a line in the home's log, and a message to a webhook where one is set.

Both name the run and what it failed of, in a line; of runs that forget somebody only that they failed: their errors
name people.
"""
# Dagster leaves parts of its decorators untyped.
# pyright: reportUnknownMemberType=false

import json
import threading
import urllib.request
from http.client import HTTPException
from urllib.error import URLError

import dagster as dg

from recs_platform.defs.forgetting import FORGETTING
from recs_platform.defs.logs import LOG_FILE, open_log
from recs_platform.defs.running import why_failed
from recs_platform.pipeline.current import CurrentPlatform
from recs_platform.pipeline.platform import Platform

_ERROR_SHOWN = 500


def failure_sensor(current: CurrentPlatform) -> dg.SensorDefinition:
    """Notifies once of each run that failed."""

    @dg.run_failure_sensor(
        name="failure_sensor",
        description="Writes each failed run to logs/runs.jsonl, and to `notify.webhook_url` where it is set.",
    )
    def failure_sensor(context: dg.RunFailureSensorContext) -> None:
        run, platform = context.dagster_run, current.or_before()
        told = [] if run.job_name in FORGETTING else why_failed(context.instance, run.run_id)
        error = "; ".join(told) or context.failure_event.message or "no message"
        message = f"run {run.run_id[:8]} of {run.job_name} failed: {error[:_ERROR_SHOWN]}"
        open_log(platform.home.logs / LOG_FILE).error(message)
        fault = notify(platform, message)
        if fault is not None:
            context.log.warning(fault)

    return failure_sensor


def notify(platform: Platform, message: str) -> str | None:
    """Post `{"text": message}` to the webhook; returns why it could not be told, None where it was or none is set.

    A webhook that hangs is given up after `notify.timeout_seconds`; nothing is tried again.
    """
    settings = platform.settings.notify
    if settings.webhook_url is None:
        return None
    url, seconds, faults = settings.webhook_url, settings.timeout_seconds, list[str | None]()
    # The timeout of a socket is that of each byte: one at a time they, or a name server, would hold the sensor up.
    posting = threading.Thread(target=lambda: faults.append(_post(url, message, seconds)), daemon=True)
    posting.start()
    posting.join(seconds)
    return faults[0] if faults else f"the webhook did not take the message: timed out after {seconds:g} s"


def _post(url: str, message: str, seconds: float) -> str | None:
    request = urllib.request.Request(  # noqa: S310  the settings allow http and https only
        url, json.dumps({"text": message}).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=seconds):  # noqa: S310
            return None
    except (URLError, HTTPException, OSError, ValueError) as error:
        return f"the webhook did not take the message: {error}"
