"""Pictures of the segments as PNG: map, profiles, silhouettes, migrations. The page around them is in `page`."""

# matplotlib's signatures are partly untyped.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from recs_platform.contracts import columns as c

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from recs_platform.stages.segments.clustering import Sampled
    from recs_platform.stages.segments.scaling import Matrix

MAP, PROFILES, SILHOUETTES, MIGRATIONS = "map", "profiles", "silhouettes", "migrations"
POINTS_MAX = 2_000
FEATURES_MAX = 16
_DPI, _MARGIN, _LETTER = 80, 0.4, 0.085  # inches


def draw_plots(sampled: Sampled, profiles: pl.DataFrame, moves: Mapping[str, pl.DataFrame]) -> dict[str, bytes]:
    """PNG by name; a picture without anything to show is left out.

    `profiles` are rows of cluster_profiles; `moves` rows of migrations by segmentation.
    """
    drawn: dict[str, bytes] = {}
    if sampled.points.shape[1] and len(sampled.points):
        drawn[MAP] = _map(sampled)
    if profiles.height:
        drawn[PROFILES] = _profiles(profiles)
    if sampled.silhouettes is not None:
        drawn[SILHOUETTES] = _silhouettes(sampled)
    shown = {segmentation: rows for segmentation, rows in moves.items() if rows.height}
    return drawn | {f"{MIGRATIONS}_{segmentation}": _migrations(rows) for segmentation, rows in shown.items()}


def _map(sampled: Sampled) -> bytes:
    """The first two principal components, a colour a segment."""
    figure, axes = _figure(5.6, 4.0)
    points = sampled.points[:POINTS_MAX]
    across, up = points[:, 0], points[:, 1] if points.shape[1] > 1 else np.zeros(len(points))
    ids = np.array(sampled.segment_ids[:POINTS_MAX])
    for colour, segment_id in enumerate(_ordered(set(sampled.segment_ids))):
        of_it = ids == segment_id
        axes.scatter(across[of_it], up[of_it], s=7, color=f"C{colour % 10}", label=segment_id, linewidths=0)
    axes.set(xlabel="first principal component", ylabel="second principal component", title="Users by behaviour")
    axes.legend(title="segment", markerscale=2, fontsize="small")
    return _png(figure)


def _profiles(profiles: pl.DataFrame) -> bytes:
    """Differences from all users, for the features that differ most somewhere."""
    import polars as pl

    largest = (
        profiles.group_by(c.FEATURE)
        .agg(pl.col(c.Z).abs().max().fill_null(0.0))
        .sort(c.Z, c.FEATURE, descending=[True, False])
    )
    features = largest[c.FEATURE].head(FEATURES_MAX).to_list()
    ids = _ordered(set(profiles[c.SEGMENT_ID].to_list()))
    z = _grid(profiles, c.SEGMENT_ID, ids, c.FEATURE, features, c.Z)
    figure, axes = _heat_map(ids, features)
    axes.imshow(z, cmap="RdBu_r", vmin=-2, vmax=2, aspect="auto")
    _label(axes, ids, features, z, form="{:.1f}", dark_from=1.4)
    axes.set_title("Difference from all users, in standard deviations")
    return _png(figure)


def _silhouettes(sampled: Sampled) -> bytes:
    """Silhouettes of the sample, sorted within each segment; the line is their mean."""
    figure, axes = _figure(5.6, 4.0)
    values, ids = np.asarray(sampled.silhouettes), np.array(sampled.segment_ids)
    start = 0
    for colour, segment_id in enumerate(_ordered(set(sampled.segment_ids))):
        sorted_values = np.sort(values[ids == segment_id])
        rows = np.arange(start, start + len(sorted_values))
        axes.fill_betweenx(rows, 0, sorted_values, color=f"C{colour % 10}", label=segment_id, linewidth=0)
        start += len(sorted_values)
    axes.axvline(float(values.mean()), color="black", linestyle="--", linewidth=1)
    axes.set(xlabel="silhouette", yticks=[], title=f"Silhouettes, mean {values.mean():.2f}")
    axes.legend(title="segment", fontsize="small")
    return _png(figure)


def _migrations(moves: pl.DataFrame) -> bytes:
    """Share of each segment then that is in each segment now."""
    then, now = (_ordered(set(moves[name].to_list())) for name in (c.FROM_SEGMENT_ID, c.TO_SEGMENT_ID))
    shares = _grid(moves, c.FROM_SEGMENT_ID, then, c.TO_SEGMENT_ID, now, c.SHARE_OF_FROM)
    figure, axes = _heat_map(then, now)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    _label(axes, then, now, shares, form="{:.0%}", dark_from=0.6)
    axes.set(title=f"Moves: {moves[c.SEGMENTATION][0]}", ylabel="before", xlabel="now")
    return _png(figure)


def _figure(width: float, height: float, *, left: float = 0.8, bottom: float = 0.6) -> tuple[Figure, Axes]:
    """A figure of its own (pyplot would keep it for the whole process), sizes in inches.

    Margins are given: letting the library find them means drawing everything twice.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(left + width + _MARGIN, bottom + height + _MARGIN), dpi=_DPI)
    across, up = figure.get_figwidth(), figure.get_figheight()
    return figure, figure.add_axes((left / across, bottom / up, width / across, height / up))


def _heat_map(downs: list[str], acrosses: list[str]) -> tuple[Figure, Axes]:
    """A figure for a cell a pair, with room for the names."""
    longest_down, longest_across = (max(map(len, names)) for names in (downs, acrosses))
    return _figure(
        max(3.5, 0.5 * len(acrosses)),
        0.35 * len(downs),
        left=0.6 + _LETTER * longest_down,
        bottom=0.6 + _LETTER * longest_across,
    )


def _png(figure: Figure) -> bytes:
    written = BytesIO()
    figure.savefig(written, format="png", metadata={"Software": None})
    return written.getvalue()


def _grid(rows: pl.DataFrame, down: str, downs: list[str], across: str, acrosses: list[str], value: str) -> Matrix:
    found = {(row[0], row[1]): row[2] for row in rows.select(down, across, value).iter_rows()}
    return np.array([[found.get((each, other)) or 0.0 for other in acrosses] for each in downs])


def _label(axes: Axes, downs: list[str], acrosses: list[str], values: Matrix, *, form: str, dark_from: float) -> None:
    """Names on both sides and numbers in the cells, white from the value on where cells are dark."""
    axes.set_yticks(range(len(downs)), [_plain(name) for name in downs])
    axes.set_xticks(range(len(acrosses)), [_plain(name) for name in acrosses], rotation=90, fontsize="small")
    for row, column in zip(*np.nonzero(values), strict=True):
        value, at = float(values[row, column]), (float(column), float(row))
        colour = "white" if abs(value) >= dark_from else "black"
        axes.text(*at, form.format(value), ha="center", va="center", fontsize="small", color=colour)


def _plain(name: str) -> str:
    """The name as text: `$` would start a formula, and the font has no more than it has."""
    return name.encode("ascii", "replace").decode().replace("$", r"\$")


def _ordered(ids: set[str]) -> list[str]:
    """By length, then name: b2 before b10."""
    return sorted(ids, key=lambda each: (len(each), each))
