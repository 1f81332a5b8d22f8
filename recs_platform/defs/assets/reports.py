"""Assets of the reports stage: offline evaluation, one asset and check a report, the verdicts, and the marts."""

from collections.abc import Sequence

import dagster as dg
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import content_key
from recs_platform.contracts.tables import USER_METRICS, VERDICTS
from recs_platform.defs import metadata
from recs_platform.defs.as_of_assets import Results, as_of_asset, as_of_tables
from recs_platform.defs.assets.ranking import past_upstreams
from recs_platform.defs.leakage_check import NO_LABEL_LEAKAGE, NO_LABEL_LEAKAGE_DESCRIPTION, label_leakage_check
from recs_platform.defs.partitions import run_of
from recs_platform.defs.resources import AsOfResource
from recs_platform.defs.sql_assets import raw_upstreams, sql_assets, upstream_keys
from recs_platform.pipeline.partition_writer import write_frames
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.report_index import write_index
from recs_platform.pipeline.reports import collect_verdicts, run_report
from recs_platform.pipeline.training.evaluation import MEASURED, evaluate, tuned_on_tests
from recs_platform.pipeline.training.label_leakage import measure_window_leakage
from recs_platform.pipeline.training.measurements import prune_measurements
from recs_platform.pipeline.training.schedule import training_schedule
from recs_platform.pipeline.training.window_cache import WindowCache
from recs_platform.pipeline.training.window_metrics import FINAL
from recs_platform.pipeline.training.windows import prune_windows
from recs_platform.stages.reports import REPORTS, Report, worst

GROUP = "reports"
VERDICT = "verdict"
SUBJECTS_SHOWN = 5
NO_BLOCK = "no_report_blocks"
VERDICTS_KEY = metadata.asset_key(VERDICTS.name)
USER_METRICS_KEY = metadata.asset_key(USER_METRICS.name)


def build_assets(platform: Platform) -> list[dg.AssetsDefinition]:
    """Evaluation → reports → verdicts, beside the marts."""
    reports = [_report_asset(platform, report) for report in REPORTS]
    keys = [asset.key for asset in reports]
    marts = sql_assets(platform, schema="marts", group=GROUP)
    return [_evaluation_asset(platform), *reports, _verdicts_asset(keys), *marts]


def _evaluation_asset(platform: Platform) -> dg.AssetsDefinition:
    @as_of_tables(
        "evaluation",
        MEASURED,
        group=GROUP,
        deps=[
            *(dg.AssetKey(["ranking", name]) for name in ("training_set", "ranker", "champion")),
            *past_upstreams(platform),
        ],
        kinds=("python", "polars", "delta"),
        check_specs=[
            dg.AssetCheckSpec(
                NO_LABEL_LEAKAGE, asset=USER_METRICS_KEY, blocking=True, description=NO_LABEL_LEAKAGE_DESCRIPTION
            )
        ],
    )
    def evaluation(context: dg.AssetExecutionContext, as_of_run: AsOfResource) -> Results:
        """Every test window ranked by a ranker that could have existed then, beside each source alone."""
        run = run_of(context, as_of_run)
        schedule = training_schedule(run)
        tuned = tuned_on_tests(run.platform, schedule)
        if tuned is not None:
            context.log.warning(f"{tuned}: these metrics are too optimistic")
        found = evaluate(WindowCache(run, context.log.info), schedule, context.log.info)
        for contract in MEASURED:
            frame = found.frames[contract.name]
            written = write_frames(run.platform, contract, [frame], run.as_of)
            yield dg.MaterializeResult(
                asset_key=metadata.asset_key(contract.name),
                metadata=metadata.table_metadata(
                    written.rows,
                    _means(frame) if c.METRIC in frame.columns else written.preview,
                    protocol=schedule.protocol,
                    windows=found.windows,
                    stopped=found.stopped,
                )
                | ({} if tuned is None else {"tuned_on_tests": tuned}),
                data_version=dg.DataVersion(written.content),
            )
        # Those of the first tests are looked at where they are built.
        prune_windows(run.platform, found.added)
        prune_measurements(run.platform)
        yield label_leakage_check(USER_METRICS_KEY, measure_window_leakage(run, found.added))

    return evaluation


def _means(metrics: pl.DataFrame) -> pl.DataFrame:
    """Mean of each metric a model, the final lists first."""
    means = metrics.pivot(on=c.METRIC, index=[c.PROTOCOL, c.MODEL], values=c.VALUE, aggregate_function="mean")
    return means.sort(c.PROTOCOL, pl.col(c.MODEL) != FINAL, c.MODEL)


def _report_asset(platform: Platform, report: Report) -> dg.AssetsDefinition:
    key = metadata.asset_key(report.table.name)

    @as_of_asset(
        key,
        group=GROUP,
        deps=upstream_keys(platform, (*report.reads, *raw_upstreams(platform, report.recomputes))),
        kinds=("python", "evidently") if report.name == "drift" else ("python", "polars"),
        description=report.table.description,
        schema=metadata.contract_schema(report.table),
        check_specs=[
            dg.AssetCheckSpec(
                VERDICT,
                asset=key,
                blocking=True,
                description=f"{report.title}: block stops the release; warn and no_data are reported only",
            )
        ],
    )
    def table(context: dg.AssetExecutionContext, as_of_run: AsOfResource) -> Results:
        run = run_of(context, as_of_run)
        result, written = run_report(run, report)
        shown = result.verdicts.drop(c.AS_OF, c.REPORT)
        pages = metadata.page_links(run.platform.home, run.as_of, result.html)
        yield dg.MaterializeResult(
            metadata=metadata.table_metadata(written.rows, written.preview, verdict=result.verdict, **result.numbers)
            | {"verdicts": dg.MetadataValue.md(metadata.markdown_table(shown)), **pages},
            data_version=dg.DataVersion(content_key({"table": written.content, "verdicts": shown.rows()})),
            check_results=[
                dg.AssetCheckResult(
                    check_name=VERDICT,
                    passed=result.verdict == "pass",
                    severity=_severity(result.verdict),
                    description=_description(result.verdict, shown),
                    metadata={VERDICT: result.verdict, **result.numbers},
                )
            ],
        )

    return table


def _description(verdict: str, judged: pl.DataFrame) -> str:
    """The verdict, with the subjects that have it, each with its sentence and numbers."""
    found = judged.filter(pl.col(c.VERDICT) == verdict).select(c.SUBJECT, c.MESSAGE).rows()
    said = [f"{subject}: {message}" for subject, message in found]
    shown = " ".join(said[:SUBJECTS_SHOWN]) + (" …" if len(said) > SUBJECTS_SHOWN else "")
    return f"{verdict}: {shown}" if verdict != "pass" and shown else verdict


def _severity(verdict: str) -> dg.AssetCheckSeverity:
    """Only `block` stops the release."""
    return dg.AssetCheckSeverity.ERROR if verdict == "block" else dg.AssetCheckSeverity.WARN


def _verdicts_asset(reports: Sequence[dg.AssetKey]) -> dg.AssetsDefinition:
    @as_of_asset(
        VERDICTS_KEY,
        group=GROUP,
        deps=reports,
        kinds=("python", "delta"),
        description=VERDICTS.description,
        schema=metadata.contract_schema(VERDICTS),
        check_specs=[
            dg.AssetCheckSpec(
                NO_BLOCK, asset=VERDICTS_KEY, blocking=True, description="Every report has a verdict and none blocks"
            )
        ],
    )
    def verdicts(context: dg.AssetExecutionContext, as_of_run: AsOfResource) -> Results:
        run = run_of(context, as_of_run)
        judged, missing, content = collect_verdicts(run)
        # Written here too: where a report blocks, nothing after this is made.
        index = write_index(run.platform.home)
        overall = worst(judged[c.VERDICT].to_list())
        yield dg.MaterializeResult(
            metadata=metadata.table_metadata(judged.height, judged, verdict=overall)
            | {"verdicts": dg.MetadataValue.md(metadata.markdown_table(judged.drop(c.AS_OF)))}
            | metadata.page_link(run.platform.home, index),
            data_version=dg.DataVersion(content),
            check_results=[
                dg.AssetCheckResult(
                    check_name=NO_BLOCK,
                    passed=not missing and overall != "block",
                    description=f"reports without a verdict: {', '.join(missing)}"
                    if missing
                    else _description(overall, judged),
                    metadata={"without_verdict": ", ".join(missing), VERDICT: overall},
                )
            ],
        )

    return verdicts
