"""The asset raw.event_flags: outliers among the events of a type, and events of bots. Part of the events stage."""

from datetime import UTC, datetime

import dagster as dg

from recs_platform.contracts.tables import EVENT_FLAGS, EVENTS, INGESTIONS
from recs_platform.defs import metadata
from recs_platform.defs.as_of_assets import Results
from recs_platform.defs.resources import HomeResource
from recs_platform.defs.staleness import LOG_VERSION
from recs_platform.pipeline.platform import Platform
from recs_platform.stages.events.flag_updates import bot_like_users, count_flagged_events, count_new_flags, flag_events
from recs_platform.warehouse.runner import ModelRun

GROUP = "events"
FLAGGED_SHARE = "flagged_share"
FLAGGED_SHARE_WARN = 0.05
BOT_USERS_SHOWN = 20
KEY = metadata.asset_key(EVENT_FLAGS.name)


def build_assets(_platform: Platform) -> list[dg.AssetsDefinition]:
    """Flags are made once the events of a run are in."""

    @dg.asset(
        key=KEY,
        deps=[metadata.asset_key(table.name) for table in (EVENTS, INGESTIONS)],
        group_name=GROUP,
        description=EVENT_FLAGS.description,
        kinds={"sql", "duckdb", "delta"},
        owners=metadata.OWNERS,
        metadata=metadata.contract_metadata(EVENT_FLAGS),
        check_specs=[
            dg.AssetCheckSpec(
                FLAGGED_SHARE,
                asset=KEY,
                description=f"At most {FLAGGED_SHARE_WARN:.0%} of all events are flagged; more are not outliers",
            )
        ],
    )
    def event_flags(context: dg.AssetExecutionContext, home: HomeResource) -> Results:
        platform, now = home.platform, datetime.now(UTC)
        with platform.model_run(now, now) as run:
            is_judged = flag_events(platform.home, platform.lake, run, now=now, progress=context.log.info)
        with platform.model_run(now, now) as run:
            rows, events, flagged = run.count(EVENT_FLAGS.name), run.count(EVENTS.name), count_flagged_events(run)
            share = flagged / events if events else 0.0
            # A run with nothing to judge says so by their absence, and costs nothing.
            tables = _tables(run, now) if is_judged else {}
            preview = run.head(EVENT_FLAGS.name, metadata.PREVIEW_ROWS)
        yield dg.MaterializeResult(
            metadata=metadata.table_metadata(rows, preview, events_flagged=flagged, share_of_events=share) | tables,
            data_version=LOG_VERSION,
            check_results=[
                dg.AssetCheckResult(
                    check_name=FLAGGED_SHARE,
                    passed=share <= FLAGGED_SHARE_WARN,
                    severity=dg.AssetCheckSeverity.WARN,
                    description=f"{flagged:,} of {events:,} events are flagged ({share:.1%})",
                    metadata={"share": share, "events_flagged": flagged, "events": events},
                )
            ],
        )

    return [event_flags]


def _tables(run: ModelRun, now: datetime) -> dict[str, dg.MarkdownMetadataValue]:
    """New flags by rule, and the users most often flagged as bots."""
    shown = {"new_flags": count_new_flags(run, now), "bot_like_users": bot_like_users(run, BOT_USERS_SHOWN)}
    return {name: dg.MetadataValue.md(metadata.markdown_table(frame)) for name, frame in shown.items()}
