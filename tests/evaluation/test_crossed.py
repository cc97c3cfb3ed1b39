"""The interval over runs and questions: its arithmetic, what it may and may not depend on, and that it covers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import norm, t

from axolotl_cotmask.evaluation.stats.claims import Verdict, verdict
from axolotl_cotmask.evaluation.stats.crossed import over_draws, pooled, pooled_mean
from axolotl_cotmask.evaluation.stats.estimates import Estimate, over_seeds

Table = list[list[float]]
Answers = NDArray[np.float64]


def half_width(estimate: Estimate) -> float:
    return (estimate.high - estimate.low) / 2


def by_hand(a: Table, b: Table, clusters: Sequence[int], comparisons: int = 1) -> tuple[float, float]:
    """Return the difference and the interval's half width, by plain loops over runs, questions and clusters."""
    questions, names = len(a[0]), sorted(set(clusters))

    def mean(values: Sequence[float]) -> float:
        return sum(values) / len(values)

    def cluster_variance(deviations: Sequence[float]) -> float:
        total = 0.0
        for name in names:
            total += sum(deviations[q] for q in range(questions) if clusters[q] == name) ** 2
        return total * len(names) / (len(names) - 1) / questions**2

    variance_of_runs, double, satterthwaite = 0.0, 0.0, 0.0
    for side in (a, b):
        s, grand = len(side), mean([mean(run) for run in side])
        spread = sum((mean(run) - grand) ** 2 for run in side) / (s - 1) / s
        variance_of_runs += spread
        satterthwaite += spread**2 / (s - 1)
        of_question = [mean([run[q] for run in side]) for q in range(questions)]
        for run in side:
            rest = [run[q] - mean(run) - of_question[q] + grand for q in range(questions)]
            # An unbiased variance over s runs, of which the mean of s runs has one s-th.
            double += cluster_variance(rest) / (s - 1) / s
    differences = [mean([run[q] for run in b]) - mean([run[q] for run in a]) for q in range(questions)]
    value = mean(differences)
    variance_of_questions = cluster_variance([difference - value for difference in differences])
    satterthwaite += variance_of_questions**2 / (len(names) - 1)
    variance = max(variance_of_runs + variance_of_questions - double, variance_of_runs, variance_of_questions)
    if variance == 0:
        return value, 0.0
    quantile = t.ppf(1 - 0.025 / comparisons, variance**2 / satterthwaite)
    return value, float(quantile) * math.sqrt(variance)


@st.composite
def experiments(draw: st.DrawFn) -> tuple[Table, Table, list[int]]:
    """Two sides of two to four runs, and clusters, of which there are at least two."""
    questions = draw(st.integers(2, 8))
    run = st.lists(st.sampled_from([0.0, 1.0]), min_size=questions, max_size=questions)
    a, b = (draw(st.lists(run, min_size=2, max_size=4)) for _ in range(2))
    clusters = draw(st.lists(st.integers(0, 4), min_size=questions - 2, max_size=questions - 2))
    return a, b, [5, 6, *clusters]


def test_with_a_pencil() -> None:
    # Runs: means 1/2, 0 and 1, 1/2, so 1/16 a side. Questions: differences 0, 1, so 1/4. Single answers: 1/16 a side.
    found = pooled([[1, 0], [0, 0]], [[1, 1], [0, 1]], clusters=["x", "y"])
    variance = 1 / 16 + 1 / 16 + 1 / 4 - 1 / 16 - 1 / 16
    degrees = variance**2 / (1 / 16**2 + 1 / 16**2 + 1 / 4**2)
    assert (variance, degrees) == (1 / 4, pytest.approx(8 / 9))
    half = t.ppf(0.975, 8 / 9) * 0.5
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5 - half, 0.5 + half))
    assert found.n == 2


@settings(deadline=None)
@given(experiments(), st.sampled_from([1, 4]))
def test_it_is_what_plain_loops_compute(experiment: tuple[Table, Table, list[int]], comparisons: int) -> None:
    found = pooled(*experiment, comparisons)
    value, half = by_hand(*experiment, comparisons)
    assert found.value == pytest.approx(value)
    assert (found.low, found.high) == pytest.approx((value - half, value + half), abs=1e-7)
    assert found.n == min(map(len, experiment[:2]))


@settings(deadline=None)
@given(experiments(), st.integers(0, 2**32))
def test_neither_the_order_of_runs_nor_that_of_questions_matters(
    experiment: tuple[Table, Table, list[int]], seed: int
) -> None:
    a, b, clusters = experiment
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(clusters))
    # The runs of the two sides are shuffled apart: a seed's number pairs nothing.
    shuffled = [rng.permutation(np.array(side))[:, order] for side in (a, b)]
    names = [f"cluster {clusters[place]}" for place in order]
    once, again = pooled(a, b, clusters), pooled(*shuffled, names)
    assert (again.value, again.low, again.high) == pytest.approx((once.value, once.low, once.high), abs=1e-7)


@settings(deadline=None)
@given(experiments())
def test_a_against_b_is_b_against_a_in_the_mirror(experiment: tuple[Table, Table, list[int]]) -> None:
    a, b, clusters = experiment
    one, other = pooled(a, b, clusters), pooled(b, a, clusters)
    assert (other.value, other.low, other.high) == pytest.approx((-one.value, -one.high, -one.low), abs=1e-7)


@settings(deadline=None)
@given(experiments())
def test_questions_repeated_within_their_cluster_add_no_certainty(experiment: tuple[Table, Table, list[int]]) -> None:
    a, b, clusters = experiment
    once = pooled(a, b, clusters)
    thrice = pooled(np.repeat(a, 3, axis=1), np.repeat(b, 3, axis=1), np.repeat(clusters, 3).tolist())
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high), abs=1e-7)


def test_repeated_questions_taken_for_new_ones_would_narrow_the_interval() -> None:
    a, b, _ = simulated(np.random.default_rng(0), runs=3, questions=100, deviation=0)
    a, b = np.repeat(a, 4, axis=1), np.repeat(b, 4, axis=1)
    known, unknown = pooled(a, b, np.repeat(range(100), 4).tolist()), pooled(a, b, range(400))
    assert known.value == unknown.value
    assert half_width(known) > 1.2 * half_width(unknown)


def test_the_mean_of_two_pairs_with_a_pencil() -> None:
    # Each pair alone has 1/16 of runs a side; of four sides a mean of two has (4 / 16) / 4. The questions' differences
    # are the means of 0, 1 and 1, 0: a half each, so that questions add nothing. Single answers take off as much as
    # runs give, but never so that less than the runs is left.
    a, b = [[1, 0], [0, 0]], [[1, 1], [0, 1]]
    turned = [[0, 1], [0, 0]], [[1, 1], [1, 0]]
    found = pooled_mean([(a, b), turned], clusters=["x", "y"])
    half = t.ppf(0.975, (4 / 64) ** 2 / (4 / 64**2)) * math.sqrt(4 / 64)
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5 - half, 0.5 + half))


@settings(deadline=None)
@given(experiments())
def test_a_mean_over_pairs_does_not_take_repeated_questions_for_new_ones(
    experiment: tuple[Table, Table, list[int]],
) -> None:
    a, b, clusters = experiment
    alone = pooled(a, b, clusters)
    assert pooled_mean([(a, b)], clusters) == alone
    twice = pooled_mean([(a, b), (a, b)], clusters)
    assert twice.value == pytest.approx(alone.value)
    there_and_back = pooled_mean([(a, b), (b, a)], clusters)
    assert there_and_back.value == pytest.approx(0)


def test_questions_of_many_pairs_are_still_those_questions() -> None:
    a, b, clusters = simulated(np.random.default_rng(0), runs=3, questions=100, deviation=0)
    by_questions = half_width(questions_only(a, b, clusters))
    assert half_width(pooled_mean([(a, b)] * 50, clusters)) > 0.95 * by_questions, (
        "the same runs fifty times are no new questions"
    )


def test_it_covers_the_mean_of_pairs_with_questions_in_common() -> None:
    rng, covered = np.random.default_rng(5), []
    for _ in range(SIMULATIONS):
        question = math.sqrt(0.7) * rng.standard_normal(200)
        sides = []
        for method in range(2):
            of_method = math.sqrt(0.1) * rng.standard_normal(200)
            for pair in range(3):
                thresholds = norm.ppf(np.clip(0.4 + 0.1 * pair + 0.01 * rng.standard_normal(3), 0.01, 0.99))
                own = math.sqrt(0.2) * rng.standard_normal((3, 200))
                sides.append((method, pair, (question + of_method + own < thresholds[:, None]).astype(float)))
        of = {(method, pair): side for method, pair, side in sides}
        found = pooled_mean([(of[0, pair], of[1, pair]) for pair in range(3)], range(200))
        covered.append(found.low <= 0 <= found.high)
    assert 0.935 <= np.mean(covered) <= 0.985


def test_more_comparisons_widen() -> None:
    a, b, clusters = simulated(np.random.default_rng(0), runs=3, questions=100, deviation=1)
    widths = [half_width(pooled(a, b, clusters, comparisons)) for comparisons in (1, 2, 10)]
    assert widths == sorted(widths)
    assert widths[0] < widths[2]


def test_a_single_run_or_a_single_cluster_has_no_interval() -> None:
    many, one = [[1, 0, 0], [0, 0, 0]], [[1, 1, 0]]
    for a, b, value in ((many, one, 1 / 2), (one, many, -1 / 2), (one, one, 0.0)):
        found = pooled(a, b, range(3))
        assert (found.value, found.low, found.high) == (pytest.approx(value), -math.inf, math.inf)
        assert found.n == 1
        assert verdict(0.05, found) is Verdict.UNDER_POWERED
    assert math.isinf(half_width(pooled(many, many, ["x"] * 3)))


def test_runs_and_questions_that_all_say_the_same_leave_no_width() -> None:
    nothing, everything = np.zeros((3, 4)), np.ones((2, 4))
    assert pooled(nothing, everything, range(4)) == Estimate(1.0, 1.0, 1.0, 2)


def test_a_mean_over_no_pairs() -> None:
    with pytest.raises(ValueError, match="a mean over no pairs"):
        pooled_mean([], range(2))


@pytest.mark.parametrize(
    ("a", "b", "clusters", "message"),
    [
        ([[1, 0]], [[1, 0, 1]], range(2), "2 questions for A, 3 for B, 2 values in clusters"),
        ([[1, 0]], [[1, 0]], range(3), "2 questions for A, 2 for B, 3 values in clusters"),
        ([1, 0], [[1, 0]], range(2), r"shape \(2,\): give a table"),
        ([[1, 0]], np.zeros((0, 2)), range(2), "at least one run"),
        ([[], []], [[], []], [], "at least one run and one question"),
        ([[1, math.nan]], [[1, 0]], range(2), "compare the questions that all runs have"),
    ],
)
def test_what_cannot_be_compared(a: Table, b: Table, clusters: Sequence[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pooled(a, b, clusters)


def simulated(
    rng: np.random.Generator, runs: int, questions: int, deviation: float, effect: float = 0.0, members: int = 1
) -> tuple[Answers, Answers, list[int]]:
    """Return the verdicts of two methods whose answers agree as those of fine-tuned models, about four in five.

    Args:
        rng: what draws.
        runs: of each side.
        questions: their number.
        deviation: that of the runs' accuracies, in percentage points.
        effect: B's accuracy minus A's, in percentage points; A's is 45.
        members: how many questions make up a cluster, which are much alike.
    """
    clusters = np.arange(questions) // members

    def part(share: float, rows: int) -> Answers:
        common, own = rng.standard_normal((rows, clusters[-1] + 1))[:, clusters], rng.standard_normal((rows, questions))
        return math.sqrt(share) * (math.sqrt(0.7) * common + math.sqrt(0.3) * own)

    question, sides = part(0.72, 1), []
    for accuracy in (45.0, 45.0 + effect):
        thresholds = norm.ppf((accuracy + deviation * rng.standard_normal(runs)) / 100)
        sides.append((question + part(0.08, 1) + part(0.2, runs) < thresholds[:, None]).astype(float))
    return sides[0], sides[1], clusters.tolist()


Method = Callable[[Answers, Answers, Sequence[int]], Estimate]


def runs_only(a: Answers, b: Answers, _: Sequence[int]) -> Estimate:
    return over_seeds((b - a).mean(axis=1).tolist())


def questions_only(a: Answers, b: Answers, _: Sequence[int]) -> Estimate:
    # A mean over questions as over seeds: Student's t with so many degrees of freedom.
    return over_seeds((b - a).mean(axis=0).tolist())


def without_clusters(a: Answers, b: Answers, clusters: Sequence[int]) -> Estimate:
    return pooled(a, b, range(len(clusters)))


SIMULATIONS = 1000


def rates(
    draw: Callable[[np.random.Generator], tuple[Answers, Answers, list[int]]], *methods: Method
) -> list[list[float]]:
    """Return for each method how often it covers no difference, and how often it says that 3 points are reproduced."""
    rng = np.random.default_rng(7)
    counts = np.zeros((len(methods), 2))
    for _ in range(SIMULATIONS):
        experiment = draw(rng)
        for count, method in zip(counts, methods, strict=True):
            found = method(*experiment)
            count += found.low <= 0 <= found.high, verdict(0.03, found) is Verdict.REPRODUCED
    return (counts / SIMULATIONS).tolist()


# Of 1000 simulations at 95 % the share that covers has a standard error of 0.7 points, at 2.5 % one of 0.5.
def test_it_covers_where_runs_differ_and_the_questions_alone_do_not() -> None:
    draw = partial(simulated, runs=3, questions=300, deviation=3)
    (covered, reproduced), (by_questions, reproduced_by_questions) = rates(draw, pooled, questions_only)
    assert 0.935 <= covered <= 0.98
    assert reproduced <= 0.035
    assert by_questions < 0.85
    assert reproduced_by_questions > 0.08


def test_it_covers_where_runs_are_alike_and_the_runs_alone_do_not() -> None:
    draw = partial(simulated, runs=5, questions=300, deviation=0)
    (covered, reproduced), (by_runs, reproduced_by_runs) = rates(draw, pooled, runs_only)
    # Single answers counted twice would cover more than 98 %.
    assert 0.94 <= covered <= 0.98
    assert reproduced <= 0.03
    assert by_runs < 0.91
    assert reproduced_by_runs > 0.045


def test_it_covers_clustered_questions_and_only_because_it_knows_the_clusters() -> None:
    draw = partial(simulated, runs=3, questions=400, deviation=0, members=10)
    (covered, reproduced), (without, _) = rates(draw, pooled, without_clusters)
    assert 0.94 <= covered <= 0.985
    assert reproduced <= 0.03
    assert without < 0.92


def drawn(
    rows: int, columns: int, of_rows: float, of_columns: float, rest: float, rng: np.random.Generator
) -> dict[tuple[str, str], float]:
    values = of_rows * rng.normal(size=(rows, 1)) + of_columns * rng.normal(size=(1, columns))
    values = values + rest * rng.normal(size=(rows, columns))
    return {(f"base {row}", f"set {column}"): values[row, column] for row in range(rows) for column in range(columns)}


@pytest.mark.parametrize("deviations", [(0, 0, 1), (1, 0, 1), (0, 1, 1), (2, 1, 0.5), (3, 3, 0.1)])
def test_the_interval_over_draws_covers(deviations: tuple[float, float, float]) -> None:
    rng = np.random.default_rng(3)
    estimates = [over_draws(drawn(3, 4, *deviations, rng)) for _ in range(400)]
    covered = np.mean([estimate.low <= 0 <= estimate.high for estimate in estimates])
    # 95 % and above; four standard errors of 400 are 4.4 points.
    assert covered >= 0.906
    together = over_draws(drawn(3, 4, *deviations, np.random.default_rng(3)), comparisons=3)
    assert together.high - together.low > estimates[0].high - estimates[0].low


def test_of_one_base_the_draws_are_the_sets() -> None:
    values = {("a", name): value for name, value in (("x", 0.1), ("y", 0.3), ("z", 0.2))}
    estimate = over_draws(values)
    assert (estimate.value, estimate.n) == (pytest.approx(0.2), 3)
    assert (estimate.low, estimate.high) == tuple(
        pytest.approx(bound) for bound in t.interval(0.95, 2, loc=0.2, scale=0.1 / 3**0.5)
    )
    turned = over_draws({(name, base): value for (base, name), value in values.items()})
    assert (turned.low, turned.high) == (pytest.approx(estimate.low), pytest.approx(estimate.high))
    alone = over_draws({("a", "x"): 0.1})
    assert (alone.value, alone.low, alone.high) == (0.1, -math.inf, math.inf)
    alike = over_draws(dict.fromkeys(values, 0.1))
    assert (alike.low, alike.high) == (pytest.approx(0.1), pytest.approx(0.1))


def test_things_that_occur_in_one_pair_each_are_independent_draws() -> None:
    values = {("a", "x"): 0.1, ("b", "y"): 0.3, ("c", "z"): 0.2}
    estimate = over_draws(values, comparisons=2)
    assert (estimate.value, estimate.n) == (pytest.approx(0.2), 3)
    assert (estimate.low, estimate.high) == tuple(
        pytest.approx(bound) for bound in t.interval(0.975, 2, loc=0.2, scale=0.1 / 3**0.5)
    )


def test_an_incomplete_table_has_no_interval() -> None:
    with pytest.raises(ValueError, match="3 values for 2 x 2 pairs"):
        over_draws({("a", "x"): 0.1, ("a", "y"): 0.1, ("b", "x"): 0.1})
