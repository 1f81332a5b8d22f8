"""What a server says of itself: `/readyz`, and the gauges of `/metrics`. Counts of requests are in `metrics`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recs_platform.serving.seen_ids import SeenIds
    from recs_platform.serving.spool import Spool
    from recs_platform.serving.state import Serving

Gauges = dict[str, tuple[str, float]]


def state_of(serving: Serving, spool: Spool) -> dict[str, Any]:
    """What /readyz says: ready means that lists are answered and events stored."""
    watch, shared = serving.watch, serving.shared
    fault = spool.fault or (None if watch.is_open else watch.fault)
    return {
        "is_ready": fault is None,
        "fault": fault,
        "release_id": serving.bundle.release_id if watch.is_open else None,
        "release_fault": watch.fault,
        "suspended_experiments": dict(serving.variants.faults),
        "canary": serving.canary.state.said or None,
        "shared_store": None if shared is None else {"is_used": shared.fault is None, "fault": shared.fault},
        "is_storing_events": spool.fault is None,
        "spool_fault": spool.sealing_fault,
    }


def gauges_of(serving: Serving, spool: Spool, seen: SeenIds) -> Gauges:
    """A help text and a value by the name of each gauge."""
    is_ready = bool(state_of(serving, spool)["is_ready"])
    return {
        "recs_spool_queued_events": ("Events that wait for the disk.", float(spool.queued_events)),
        "recs_spool_oldest_seconds": ("Age of the oldest event not in landing.", spool.oldest_seconds),
        "recs_spool_durable_events": ("Events made durable by this process.", float(spool.durable_events)),
        "recs_sessions": ("Users with a session in memory.", float(len(serving.sessions))),
        "recs_ready": ("1 where lists are answered and events stored.", float(is_ready)),
        "recs_sessions_bytes": ("Memory of sessions.", float(serving.sessions.bytes)),
        "recs_lists_bytes": ("Memory of lists that were shown.", float(serving.lists.bytes)),
        "recs_dismissals_bytes": ("Memory of dismissals.", float(serving.dismissals.bytes)),
        "recs_event_ids_bytes": ("Memory of ids of events.", float(seen.bytes)),
        "recs_pages_bytes": ("Memory of first pages.", float(serving.pages.bytes)),
        "recs_pages_sealed": ("First pages that were sealed with the release.", float(serving.pages.sealed_count)),
        "recs_pages_kept": ("First pages that were kept in memory.", float(serving.pages.kept_count)),
        "recs_pages_made": ("First pages that were worked out and kept.", float(serving.pages.made_count)),
        **_store_gauges(serving),
        **_release_gauges(serving),
    }


def _store_gauges(serving: Serving) -> Gauges:
    shared = serving.shared
    if shared is None:
        return {}
    return {
        "recs_shared_store_up": ("1 while the shared store answers.", float(shared.fault is None)),
        "recs_shared_store_failures": ("How often it did not.", float(shared.failures)),
    }


def _release_gauges(serving: Serving) -> Gauges:
    watch, canary = serving.watch, serving.canary
    if not watch.is_open:
        return {}
    age = (datetime.now(UTC) - serving.bundle.manifest.as_of).total_seconds()
    is_taken_back = watch.bundle.release_id in canary.state.taken_back
    return {
        "recs_canary_running": ("1 while some users get a new release.", float(canary.running is not None)),
        "recs_canary_taken_back": ("1 where the newest release was taken back.", float(is_taken_back)),
        "recs_release_age_seconds": ("Seconds since the as_of of the release in force.", age),
    }
