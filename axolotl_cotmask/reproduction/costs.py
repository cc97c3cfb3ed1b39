"""What a plan will take, before anything runs: GPU hours and disk, from stated rates. No promise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from axolotl_cotmask.reproduction.paper import facts as paper
from axolotl_cotmask.reproduction.plan import CoreSeconds, Plan, RowPlan

#: Parameters times tokens per second and GPU in training: 40 % of an A100's 312 TFLOP/s, at 8 FLOPs per parameter and
#: token (with activation checkpointing). Reckoned, not measured.
TRAINING = 312e12 * 0.4 / 8
#: Generated tokens per second and GPU of a 7B model: reckoned, not measured.
GENERATING = {"hf": 400.0, "vllm": 2500.0}
_PARAMETERS = {"llama2-7b": 6.74e9, "llama2-13b": 13.0e9, "mistral-7b": 7.24e9}
#: Tokens of a row with its prompt. GSM8K's was measured (bench/RESULTS.md), the others are guessed from it.
_TOKENS = {"gsm8k": 225, "gsm8k-rft-u33": 225, "gsm8k-rft-100": 225, "math": 350, "metamath": 280, "mammoth": 300}
#: Tokens of an epoch, by the path of the paper's data.
_TOKENS_OF_EPOCH = {path: rows * _TOKENS[name] for name, data in paper.DATA.items() for path, rows in data.rows.items()}
#: The paper's names of the base models.
_BASES = {base.model: name for name, base in paper.BASES.items()}
_RELEASED = {model.id: model.base for model in paper.RELEASED}
#: Questions of a benchmark, and new tokens for an answer (guessed).
_QUESTIONS = {"gsm8k": (1_319, 130), "gsm_ic": (58_052, 130), "math": (5_000, 300), "janet": (30, 130)}
#: New tokens of an answer to a training question of GSM8K, and of one without reasoning (guessed).
_ANSWER, _DIRECT_ANSWER = 130, 10
#: What a pair of DPO costs in tokens of one answer: both go through the model, and through its frozen copy without
#: gradients, which is 2 of the 8 FLOPs.
_PAIR = 2 * (1 + 2 / 8)
#: Answers that a student gives to a question by which its mistakes are found; what a teacher is asked about each of
#: these: a new problem, and two solutions more.
_REPEATS, _REQUESTS = 5, 3
#: Where the numbers come from, for the plan's reader.
BASIS = (
    "Stated rates, not measured: an A100 at 40 % of its peak in training, "
    f"{GENERATING['hf']:.0f} (hf) or {GENERATING['vllm']:.0f} (vllm) generated tokens per second and GPU, and guessed "
    "lengths; where no GPU is needed, what the parts of such a run took on one core."
)


@dataclass(frozen=True)
class Cost:
    """Of one run: hours of one GPU (or of one core), and GB on disk, while it trains and afterwards.

    ``training`` is None where nobody knows on how many rows; ``sampling`` also has what making a run's rows of samples
    takes on a core.
    """

    training: float | None
    sampling: float
    evaluation: float
    peak: float
    kept: float


def row_cost(plan: Plan, row: RowPlan) -> Cost | None:
    """Return what one run of a row takes; None for a recipe whose tasks or model no rate is stated for."""
    if (seconds := plan.core_seconds) is not None:
        training = 2 * seconds.start + _steps(row) * seconds.step
        evaluation = len(row.tasks) * seconds.task + _core_curve(row, seconds)
        return Cost(training / 3600, _core_sampling(row, seconds) / 3600, evaluation / 3600, 0.02, 0.01)
    base = _base(plan, row)
    benchmarks = [measured.task.benchmark for measured in row.measures.values()]
    if base is None or not _QUESTIONS.keys() >= set(benchmarks):
        return None
    parameters = _PARAMETERS[base]
    rate = GENERATING[plan.setup.backend] * _PARAMETERS["llama2-7b"] / parameters
    answers = [_QUESTIONS[benchmark] for benchmark in benchmarks]
    evaluation = sum(questions * tokens for questions, tokens in answers) / rate / 3600
    weights = 2 * parameters / 1e9
    if row.config is None:
        return Cost(0.0, 0.0, evaluation, weights, weights)
    # Once more for each of the five answers that the task takes, all alike.
    evaluation += 0 if row.teacher is None else row.questions * _REPEATS * _ANSWER / rate / 3600
    epochs = row.config.get("num_epochs") or 1
    # A checkpoint has the weights and two moments in 32 bits besides; the old one goes when the new one is whole.
    peak = weights + (epochs if row.curve else 2) * 12 * parameters / 1e9
    if row.curve:
        evaluation *= 1 + epochs
    tokens = _trained_tokens(row)
    trained = None if tokens is None else tokens * parameters / TRAINING / 3600
    sampling = _sampled_tokens(row) / rate / 3600
    return Cost(trained, sampling, evaluation, peak, weights if plan.setup.keep_weights else 0.1)


def _base(plan: Plan, row: RowPlan) -> str | None:
    """Return the paper's name of a row's base model, of one that goes on from another row that of the other one's."""
    if row.config is None:
        return _RELEASED.get(row.model or "")
    if row.chain is not None and row.chain.continues:
        return _base(plan, next(other for other in plan.rows if other.name == row.chain.source))
    return _BASES.get(str(row.config.get("base_model")))


def _trained_tokens(row: RowPlan) -> float | None:
    """Return the tokens of a run's training; None where nobody knows of how many rows."""
    config = row.config or {}
    if config.get("rl") == "dpo":
        batch = config["micro_batch_size"] * config["gradient_accumulation_steps"] * row.gpus
        return float(config["max_steps"] * batch * _TOKENS["gsm8k"] * _PAIR)
    paths = {entry.get("path") for entry in config.get("datasets", ())}
    tokens = row.rows * _TOKENS["gsm8k"] or (_TOKENS_OF_EPOCH.get(paths.pop()) if len(paths) == 1 else None)
    epochs = config.get("num_epochs")
    return None if tokens is None or epochs is None else epochs * tokens


def _steps(row: RowPlan) -> float:
    """Return the steps of a run on a core, one of DPO for as many as it takes the time of."""
    config = row.config or {}
    return float(config.get("max_steps", 0) * (_PAIR if config.get("rl") == "dpo" else 1))


def _core_sampling(row: RowPlan, seconds: CoreSeconds) -> float:
    """Return the seconds of one core for what is sampled of a run, and for what a run's rows are made of."""
    made = seconds.augment if row.chain else 0.0
    return made + (seconds.start + _answers(row) * seconds.answer if row.sampling else 0.0)


def _core_curve(row: RowPlan, seconds: CoreSeconds) -> float:
    """Return the seconds of one core for scoring every checkpoint of a run."""
    if row.curve is None or row.config is None:
        return 0.0
    return math.ceil(row.config["max_steps"] / row.config["save_steps"]) * seconds.task


def _sampled_tokens(row: RowPlan) -> int:
    direct = row.sampling is not None and bool(row.sampling.direct_task)
    return _answers(row) * (_ANSWER + (_DIRECT_ANSWER if direct else 0))


def _answers(row: RowPlan) -> int:
    """Return how many answers with reasoning are sampled of a run."""
    return row.questions * row.sampling.samples if row.sampling else 0


def teacher_requests(plan: Plan) -> int:
    """Return how often a plan's teacher is asked at most: that is when a student gets every seed question wrong."""
    return sum(_REQUESTS * row.questions * len(plan.seeds[row.name]) for row in plan.rows if row.teacher is not None)


def stage_seconds(plan: Plan) -> dict[str, float]:
    """Return what a stage of each rule of the workflow takes on one core; nothing where GPUs are needed."""
    seconds = plan.core_seconds
    if seconds is None:
        return {}
    steps = [_steps(row) for row in plan.rows if row.config]
    curves = [_core_curve(row, seconds) for row in plan.rows if row.curve]
    sampled = [_core_sampling(replace(row, chain=None), seconds) for row in plan.rows if row.sampling]
    return {
        "data": seconds.start,
        "train": seconds.start + seconds.step * _mean(steps),
        "sample": _mean(sampled),
        "augment": seconds.augment,
        "evaluate": seconds.task,
        "curve": _mean(curves),
        "dependency": seconds.shared,
    }


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / max(1, len(numbers))


def cost_table(plan: Plan) -> list[Sequence[str]]:
    """Return header and rows of what the plan's runs take, one line per row of the plan, and the sum.

    Sampling has a column where something is sampled.
    """
    unit = "GPU hours" if plan.core_seconds is None else "core hours"
    work = ["training", *(["sampling"] if any(row.sampling for row in plan.rows) else []), "evaluation"]
    lines: list[Sequence[str]] = [
        ("row", "seeds", "tasks", *(f"{kind}, {unit}" for kind in work), "GB at most", "GB kept")
    ]
    runs, hours, kept, peak = 0, 0.0, 0.0, 0.0
    for row in plan.rows:
        seeds, cost = len(plan.seeds[row.name]), row_cost(plan, row)
        runs += seeds
        numbers: Sequence[str] = ("?",) * (len(work) + 2)
        if cost is not None:
            of_row = [getattr(cost, kind) for kind in work]
            hours += seeds * sum(each or 0.0 for each in of_row)
            kept, peak = kept + seeds * cost.kept, max(peak, cost.peak)
            told = ["?" if each is None else f"{seeds * each:,.1f}" for each in of_row]
            numbers = [*told, f"{cost.peak:,.1f}", f"{seeds * cost.kept:,.1f}"]
        lines.append((row.name, str(seeds), ", ".join(task.name for task in row.tasks), *numbers))
    if plan.core_seconds is not None:
        hours += plan.core_seconds.shared / 3600
    total = f"{hours:,.1f} in all" if all("?" not in line for line in lines) else f"at least {hours:,.1f} in all"
    no_sums = [""] * (len(work) - 1)
    lines.append(("together", str(runs), "", total, *no_sums, f"{peak + kept:,.1f}", f"{kept:,.1f}"))
    return lines
