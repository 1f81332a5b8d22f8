"""The estimators once more, row by row in plain Python, from their definitions."""

from statistics import fmean

from recs_platform.evaluation.off_policy import Expectation, LoggedRewards


def estimates(log: LoggedRewards, model: Expectation) -> dict[str, float]:
    """Value of each estimator by its name."""
    n_requests = len(log.cluster)
    rows = list(zip(log.request.tolist(), log.reward.tolist(), log.propensity.tolist(), log.target.tolist(),
                    model.shown.tolist(), strict=True))  # fmt: skip
    weights = [target / propensity for _, _, propensity, target, _ in rows]
    limit = fmean(weights) * len(rows) ** 0.5
    short = [min(weight, limit) for weight in weights]

    def earned(given: list[float]) -> float:
        return sum(weight * row[1] for weight, row in zip(given, rows, strict=True))

    missed = sum(w * (row[1] - row[4]) for w, row in zip(weights, rows, strict=True))
    expected = fmean(model.of_target.tolist())
    return {
        "ips": earned(weights) / n_requests,
        "snips": earned(weights) / sum(weights),
        "clipped_ips": earned(short) / n_requests,
        "clipped_snips": earned(short) / sum(short),
        "direct": expected,
        "doubly_robust": expected + missed / n_requests,
    }


def smoothed_mean(rows: list[tuple[int, int, float]], item: int, place: int, prior: float) -> float:
    """The reward model at one item and place, from rows of item, place and reward."""
    overall = fmean(row[2] for row in rows)

    def mean_at(at: int) -> float:
        here = [row[2] for row in rows if row[1] == at]
        return (sum(here) + prior * overall) / (len(here) + prior)

    mine = [row for row in rows if row[0] == item]
    lift = (sum(row[2] for row in mine) + prior * overall) / (sum(mean_at(row[1]) for row in mine) + prior * overall)
    cell = [row[2] for row in mine if row[1] == place]
    return (sum(cell) + prior * lift * mean_at(place)) / (len(cell) + prior)
