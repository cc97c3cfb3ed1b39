"""What the interval covers and how often each verdict falls, by simulation: ``python bench/power.py`` (minutes).

Prints Markdown tables; docs/verdicts.md has them, with what they say. A verdict on an answer is simulated as a normal
number below a threshold. The number is made of parts: the question, the question as one method sees it, and chance,
each of which may in part be common to all questions of a cluster. The threshold is where the run's true accuracy puts
it: the method's, and a normal effect of the run, in percentage points.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import t

from axolotl_cotmask.evaluation.stats.claims import Verdict, verdict, verdict_on_par
from axolotl_cotmask.evaluation.stats.crossed import pooled, pooled_mean
from axolotl_cotmask.evaluation.stats.estimates import CONFIDENCE, Estimate, over_seeds
from axolotl_cotmask.reproduction.paper import facts as paper

Answers = NDArray[np.float64]
HEADLINE = (41.6, 47.1)
TYPICAL = (66.5, 69.0)
#: A simulation of more questions than these is run fewer times, in proportion.
FULL_SPEED = 6000


@dataclass(frozen=True)
class Setting:
    """What is simulated.

    ``deviations`` are those of the runs' true accuracies, SFT's and MFT's, in percentage points; ``together`` is the
    correlation of the run effects of a seed. ``same`` is the correlation of the number behind an answer between two
    runs of one method, ``cross`` that between the methods, ``between`` that between pairs of methods. With
    ``clusters``, ``alike`` is the share of each part that all questions of a cluster have in common.
    """

    runs: tuple[int, int] = (3, 3)
    questions: int = 1319
    deviations: tuple[float, float] = (0.6, 0.6)
    together: float = 0.0
    same: float = 0.8
    cross: float = 0.72
    between: float = 0.0
    clusters: int = 0
    alike: float = 0.8


BENCHMARKS = {
    "gsm8k": Setting(),
    "math": Setting(questions=5000),
    # A tenth of the rows in as many clusters: the clusters decide (the table of settings has both).
    "gsm_ic": Setting(questions=5800, clusters=100),
}


def simulated(
    rng: np.random.Generator,
    setting: Setting,
    accuracies: tuple[float, float],
    common: NDArray[np.float32] | float = 0.0,
) -> tuple[Answers, Answers, list[int]]:
    """Return the verdicts on SFT's and on MFT's answers (both [runs, questions]), and the questions' clusters.

    ``common`` is a normal number for each question, which all pairs of methods share where there are several.
    """
    clusters = rng.integers(setting.clusters, size=setting.questions) if setting.clusters else None

    def part(share: float, rows: int) -> NDArray[np.float32]:
        own = rng.standard_normal((rows, setting.questions), dtype=np.float32)
        if clusters is not None:
            whole = rng.standard_normal((rows, setting.clusters), dtype=np.float32)[:, clusters]
            own = math.sqrt(setting.alike) * whole + math.sqrt(1 - setting.alike) * own
        return math.sqrt(share) * own

    question = math.sqrt(setting.between) * common + part(setting.cross - setting.between, 1)
    seeds = rng.standard_normal(max(setting.runs))
    sides = []
    for runs, accuracy, deviation in zip(setting.runs, accuracies, setting.deviations, strict=True):
        effects = math.sqrt(setting.together) * seeds[:runs]
        effects = effects + math.sqrt(1 - setting.together) * rng.standard_normal(runs)
        thresholds = ndtri(np.clip((accuracy + deviation * effects) / 100, 1e-6, 1 - 1e-6))
        numbers = question + part(setting.same - setting.cross, 1) + part(1 - setting.same, runs)
        sides.append((numbers < thresholds[:, None]).astype(np.float64))
    return sides[0], sides[1], list(range(setting.questions)) if clusters is None else clusters.tolist()


def chosen(sft: Answers, mft: Answers) -> Estimate:
    """The estimator of the package, each question a cluster."""
    return pooled(sft, mft, range(sft.shape[1]))


def seeds_paired(sft: Answers, mft: Answers) -> Estimate:
    """Student's t over the differences of the seeds."""
    return over_seeds((mft - sft).mean(axis=1).tolist())


def seeds_unpaired(sft: Answers, mft: Answers) -> Estimate:
    """Welch's t over the runs of both sides."""
    parts = [_of_runs(side) for side in (sft, mft)]
    squares = sum(part**2 / (len(sft) - 1) for part in parts)
    # Runs that are all alike have no degrees of freedom; any number will do for an interval without width.
    degrees = sum(parts) ** 2 / squares if squares else 1.0
    return _estimate(sft, mft, sum(parts), degrees)


def questions_only(sft: Answers, mft: Answers) -> Estimate:
    """Student's t over the questions' mean differences."""
    return _estimate(sft, mft, _of_questions(sft, mft), sft.shape[1] - 1)


def crossed_paired(sft: Answers, mft: Answers) -> Estimate:
    """The package's estimator, but runs paired by seed."""
    differences = mft - sft
    residuals = differences - differences.mean(axis=1, keepdims=True) - differences.mean(axis=0) + differences.mean()
    runs, questions = differences.shape
    of_answers = float((residuals**2).sum()) / ((runs - 1) * (questions - 1)) / differences.size
    of_runs, of_questions = _of_runs(differences), _of_questions(sft, mft)
    variance = max(of_runs + of_questions - of_answers, of_runs, of_questions)
    degrees = variance**2 / (of_runs**2 / (runs - 1) + of_questions**2 / (questions - 1))
    return _estimate(sft, mft, variance, degrees)


def crossed_sum(sft: Answers, mft: Answers) -> Estimate:
    """The package's estimator, but the answers' variance stays in twice."""
    parts = [_of_runs(side) for side in (sft, mft)]
    of_questions = _of_questions(sft, mft)
    variance = sum(parts) + of_questions
    squares = sum(part**2 / (len(sft) - 1) for part in parts) + of_questions**2 / (sft.shape[1] - 1)
    return _estimate(sft, mft, variance, variance**2 / squares)


def _of_runs(side: Answers) -> float:
    return float(side.mean(axis=1).var(ddof=1)) / len(side)


def _of_questions(sft: Answers, mft: Answers) -> float:
    return float((mft.mean(axis=0) - sft.mean(axis=0)).var(ddof=1)) / len(sft[0])


def _estimate(sft: Answers, mft: Answers, variance: float, degrees: float) -> Estimate:
    value = float(mft.mean() - sft.mean())
    half = float(t.ppf((1 + CONFIDENCE) / 2, degrees)) * math.sqrt(variance)
    return Estimate(value, value - half, value + half, len(sft))


ESTIMATORS: dict[str, Callable[[Answers, Answers], Estimate]] = {
    "**runs and questions (`pooled`)**": chosen,
    "the same, nothing taken off": crossed_sum,
    "the same, runs paired by seed": crossed_paired,
    "runs only, paired by seed": seeds_paired,
    "runs only, not paired": seeds_unpaired,
    "questions only": questions_only,
}


def runs_of(
    rng: np.random.Generator, setting: Setting, accuracies: tuple[float, float], simulations: int
) -> Iterator[tuple[Answers, Answers, list[int]]]:
    """Yield simulated experiments: fewer than ``simulations`` where they are large."""
    for _ in range(math.ceil(simulations * min(1.0, FULL_SPEED / setting.questions))):
        yield simulated(rng, setting, accuracies)


def percent(share: float, digits: int = 0) -> str:
    """Write a share as a percentage, without the sign."""
    return f"{100 * share:.{digits}f}"


def table(header: list[str], rows: list[list[str]]) -> None:
    """Print a Markdown table."""
    for row in (header, ["---", *["---:"] * (len(header) - 1)], *rows):
        print(f"| {' | '.join(row)} |", flush=True)


def estimators(rng: np.random.Generator, simulations: int) -> None:
    """Print what each estimator covers, and its rates of ``reproduced`` without and with the claimed effect."""
    deviations = (0.0, 0.3, 0.6, 1.0, 2.0)
    sft, mft = TYPICAL
    claim = (mft - sft) / 100
    cells: dict[str, list[str]] = {name: [] for name in ESTIMATORS}
    for deviation in deviations:
        setting = Setting(deviations=(deviation, deviation))
        counts = {name: np.zeros(3) for name in ESTIMATORS}
        # The same number of simulations with the effect and without it; both count for the coverage.
        for effect in (0.0, claim):
            for a, b, _ in runs_of(rng, setting, (sft, sft + 100 * effect), simulations):
                for name, estimator in ESTIMATORS.items():
                    found = estimator(a, b)
                    covered = found.low <= effect <= found.high
                    reproduced = verdict(claim, found) is Verdict.REPRODUCED
                    counts[name] += covered / 2, reproduced and not effect, reproduced and effect > 0
        for name, count in counts.items():
            coverage, false, power = count / simulations
            cells[name].append(f"{percent(coverage, 1)} / {percent(false, 1)} / {percent(power)}")
    table(["", *(f"{deviation:g}" for deviation in deviations)], [[name, *row] for name, row in cells.items()])


def settings(rng: np.random.Generator, simulations: int) -> None:
    """Print what `pooled` covers, and its rate of ``reproduced`` without an effect, in many settings."""
    ic = replace(BENCHMARKS["gsm_ic"], questions=1000, clusters=60)
    base = Setting()
    wide = (2.0, 2.0)
    cases: list[tuple[str, Setting, tuple[float, float]]] = [
        ("GSM8K, 3 runs", base, HEADLINE),
        ("GSM8K, 2 runs", replace(base, runs=(2, 2)), HEADLINE),
        ("GSM8K, 2 runs, deviation 2", replace(base, runs=(2, 2), deviations=wide), HEADLINE),
        ("GSM8K, 5 runs", replace(base, runs=(5, 5)), HEADLINE),
        ("GSM8K, 3 runs of SFT and 5 of MFT", replace(base, runs=(3, 5)), HEADLINE),
        ("GSM8K, 3 runs, no run effect", replace(base, deviations=(0.0, 0.0)), HEADLINE),
        ("GSM8K, 3 runs, deviation 2", replace(base, deviations=wide), HEADLINE),
        ("GSM8K, 3 runs, deviation 0 for SFT and 1 for MFT", replace(base, deviations=(0.0, 1.0)), HEADLINE),
        ("GSM8K, 3 runs, deviation 0 for SFT and 3 for MFT", replace(base, deviations=(0.0, 3.0)), HEADLINE),
        ("GSM8K, 3 runs, effects of a seed correlated (0.5)", replace(base, together=0.5), HEADLINE),
        ("GSM8K, 3 runs, answers less alike", replace(base, same=0.66, cross=0.58), HEADLINE),
        ("GSM8K, 3 runs, answers more alike", replace(base, same=0.9, cross=0.82), HEADLINE),
        ("GSM8K, 3 runs, methods as alike as runs", replace(base, cross=0.8), HEADLINE),
        ("MATH, 3 runs", BENCHMARKS["math"], (7.6, 8.9)),
        ("GSM-IC, 58,052 rows, 100 clusters, 3 runs", replace(ic, questions=58_052, clusters=100), (48.0, 59.2)),
        ("GSM-IC, 5,800 rows, 100 clusters, 3 runs", BENCHMARKS["gsm_ic"], (48.0, 59.2)),
        ("GSM-IC, 1,000 rows, 60 clusters, 3 runs", ic, (48.0, 59.2)),
        ("GSM-IC, 1,000 rows, 60 clusters, 3 runs, deviation 2", replace(ic, deviations=wide), (48.0, 59.2)),
        ("GSM-IC, 1,000 rows, 60 clusters, 5 runs", replace(ic, runs=(5, 5)), (48.0, 59.2)),
        ("laptop, 400 questions, 5 runs, deviation 4", Setting((5, 5), 400, (4.0, 4.0)), (69.7, 67.3)),
    ]
    rows = []
    for name, setting, (sft, mft) in cases:
        claim = (mft - sft) / 100
        seen: dict[float, list[tuple[bool, Verdict, float]]] = {0.0: [], claim: []}
        alike = []
        for effect, found in seen.items():
            for a, b, clusters in runs_of(rng, setting, (sft, sft + 100 * effect), simulations):
                interval = pooled(a, b, clusters)
                found.append(
                    (interval.low <= effect <= interval.high, verdict(claim, interval), interval.high - interval.value)
                )
                alike.append(((a[0] == a[1]).mean(), (a[0] == b[0]).mean()))
        everything = seen[0.0] + seen[claim]
        false = float(np.mean([judged is Verdict.REPRODUCED for _, judged, _ in seen[0.0]]))
        rows.append(
            [
                name,
                f"{len(everything):,}",
                " / ".join(percent(share) for share in np.mean(alike, axis=0)),
                percent(float(np.mean([covered for covered, _, _ in everything])), 1),
                percent(false, 1),
                f"±{percent(float(np.median([half for _, _, half in everything])), 1)}",
            ]
        )
    table(["", "simulations", "same answer: runs / methods", "covered", "false *reproduced*", "median width"], rows)


def verdicts(rng: np.random.Generator, simulations: int) -> None:
    """Print how often each verdict falls for every claim of the paper, when all, half or none of it is true."""
    rows = []
    for run in paper.RUNS:
        for benchmark in run.scores if run.method == "mft" else ():
            claim = paper.find_claim(run.base, run.data, benchmark)
            cells = [_rates(rng, benchmark, claim, part, 0.6, simulations) for part in (1.0, 0.5, 0.0)]
            more = [
                _rates(rng, benchmark, claim, 1.0, deviation, simulations).partition(" ")[0] for deviation in (0.3, 1.0)
            ]
            title = f"{paper.BASES[run.base].title}, {paper.DATA[run.data].title}: {paper.BENCHMARKS[benchmark]}"
            rows.append([title, f"{claim.difference:+.1f}", *cells, *more])
    table(["", "claim", "all of it true", "half of it", "nothing", "all, deviation 0.3", "all, deviation 1"], rows)


def _rates(
    rng: np.random.Generator, benchmark: str, claim: paper.PaperClaim, part: float, deviation: float, simulations: int
) -> str:
    """Return the rates of reproduced / not reproduced / under-powered."""
    setting = replace(BENCHMARKS[benchmark], deviations=(deviation, deviation))
    judged = [
        verdict(claim.difference / 100, pooled(a, b, clusters))
        for a, b, clusters in runs_of(rng, setting, (claim.sft, claim.sft + part * claim.difference), simulations)
    ]
    return _kinds(judged)


def _kinds(judged: list[Verdict]) -> str:
    """Return the rates of reproduced / not reproduced / under-powered."""
    kinds = (Verdict.REPRODUCED, Verdict.NOT_REPRODUCED, Verdict.UNDER_POWERED)
    return " / ".join(percent(judged.count(kind) / len(judged)) for kind in kinds)


def on_par(rng: np.random.Generator, simulations: int) -> None:
    """Print how often each verdict falls on the paper's claims of being on par, by the true difference."""
    together = (1, 4)
    rows = []
    for claim in (claim for claim in paper.METHODS if claim.on_par):
        treated, other = (paper.find_run(name) for name in (claim.treated, claim.baseline))
        margin = paper.find_claim(treated.base, treated.data, claim.benchmark).difference / 2
        base = other.scores[claim.benchmark]
        for title, true in (
            ("nothing", 0.0),
            (f"the paper's, {claim.difference:+.1f}", claim.difference),
            ("the margin", margin),
            ("twice the margin", 2 * margin),
        ):
            cells = []
            for runs in (3, 5, 10):
                setting = replace(BENCHMARKS[claim.benchmark], runs=(runs, runs))
                judged: dict[int, list[Verdict]] = {comparisons: [] for comparisons in together}
                for a, b, clusters in runs_of(rng, setting, (base, base + true), simulations):
                    for comparisons, found in judged.items():
                        found.append(verdict_on_par(margin / 100, pooled(a, b, clusters, comparisons)))
                cells += [_kinds(found) for found in judged.values()]
            rows.append([f"{paper.BASES[treated.base].title}, ±{margin:.2f}: {title}", *cells])
    header = [f"{runs} runs, {claims}" for runs in (3, 5, 10) for claims in ("alone", "of 4")]
    table(["", *header], rows)


def averages(rng: np.random.Generator, simulations: int) -> None:
    """Print what the interval of the paper's averages covers, and how often each verdict falls on them."""
    rows = []
    for claim in paper.AVERAGES:
        # How alike the answers of models of different pairs are is a guess.
        base = replace(BENCHMARKS[claim.benchmark], between=0.6)
        scores = [[paper.find_run(name).scores[claim.benchmark] for name in pair] for pair in claim.pairs]
        for part in (1.0, 0.5, 0.0):
            true, covered, judged = part * claim.difference / 100, 0, []
            count = math.ceil(simulations * min(1.0, FULL_SPEED / (base.questions * len(scores))))
            for _ in range(count):
                common = rng.standard_normal((1, base.questions), dtype=np.float32)
                pairs = [simulated(rng, base, (sft, sft + part * (mft - sft)), common)[:2] for sft, mft in scores]
                found = pooled_mean(pairs, range(base.questions))
                covered += found.low <= true <= found.high
                judged.append(verdict(claim.difference / 100, found))
            title = f"{paper.BENCHMARKS[claim.benchmark]}, {len(scores)} pairs, {claim.difference:+.2f}"
            rows.append([title, f"{part:g}", f"{count:,}", percent(covered / count, 1), _kinds(judged)])
    table(["", "part that is true", "simulations", "covered", "verdicts"], rows)


def more_runs(rng: np.random.Generator, simulations: int) -> None:
    """Print the rate of ``reproduced`` by the number of runs and of claims that are read together."""
    together = (1, 5, 13)
    cases = [
        ("GSM8K, Llama-2-7B on GSM8K", BENCHMARKS["gsm8k"], HEADLINE),
        ("GSM8K, Llama-2-7B on MetaMath", BENCHMARKS["gsm8k"], TYPICAL),
        ("MATH, Llama-2-7B on MATH", BENCHMARKS["math"], (7.6, 8.9)),
        ("GSM-IC, Llama-2-7B on GSM8K", BENCHMARKS["gsm_ic"], (48.0, 59.2)),
    ]
    rows = []
    for name, setting, (sft, mft) in cases:
        claim = (mft - sft) / 100
        cells = []
        for runs in (2, 3, 5, 10):
            judged: dict[int, list[Verdict]] = {comparisons: [] for comparisons in together}
            for a, b, clusters in runs_of(rng, replace(setting, runs=(runs, runs)), (sft, mft), simulations):
                for comparisons, found in judged.items():
                    found.append(verdict(claim, pooled(a, b, clusters, comparisons)))
            cells.append(" / ".join(percent(found.count(Verdict.REPRODUCED) / len(found)) for found in judged.values()))
        rows.append([f"{name}, {mft - sft:+.1f}", *cells])
    table(["", "2 runs", "3 runs", "5 runs", "10 runs"], rows)


TABLES: dict[str, Callable[[np.random.Generator, int], None]] = {
    "estimators": estimators,
    "settings": settings,
    "verdicts": verdicts,
    "on-par": on_par,
    "averages": averages,
    "runs": more_runs,
}


def main() -> None:
    """Print the tables that the command line asks for."""
    parser = argparse.ArgumentParser(description="coverage and power of the interval and the verdicts, by simulation")
    parser.add_argument("--simulations", type=int, default=500, help="for each cell (default: 500)")
    parser.add_argument("--seed", type=int, default=0, help="of the simulations (default: 0)")
    parser.add_argument("--only", choices=TABLES, action="append", help="a table; may be given more than once")
    arguments = parser.parse_args()
    started = time.perf_counter()
    for name in arguments.only or TABLES:
        print(f"\n### {name}\n")
        # Each table has its own stream, so that it is the same alone and among the others.
        TABLES[name](np.random.default_rng([arguments.seed, *name.encode()]), arguments.simulations)
    print(f"\n{arguments.simulations:,} simulations a cell, {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
