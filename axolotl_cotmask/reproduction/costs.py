"""What a plan will take, before anything runs: GPU hours and disk, from stated rates. No promise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from axolotl_cotmask.reproduction.paper import facts as paper
from axolotl_cotmask.reproduction.plan import Plan, RowPlan

#: Parameters times tokens per second and GPU in training: 40 % of an A100's 312 TFLOP/s, at 8 FLOPs per parameter and
#: token (with activation checkpointing). Reckoned, not measured.
TRAINING = 312e12 * 0.4 / 8
#: Generated tokens per second and GPU of a 7B model: reckoned, not measured.
GENERATING = {"hf": 400.0, "vllm": 2500.0}
_PARAMETERS = {"llama2-7b": 6.74e9, "llama2-13b": 13.0e9, "mistral-7b": 7.24e9}
#: Tokens of a row with its prompt. GSM8K's was measured (bench/RESULTS.md), the others are guessed from it.
_TOKENS = {"gsm8k": 225, "gsm8k-rft-u33": 225, "gsm8k-rft-100": 225, "math": 350, "metamath": 280, "mammoth": 300}
#: Questions of a benchmark, and new tokens for an answer (guessed).
_QUESTIONS = {"gsm8k": (1_319, 130), "gsm_ic": (58_052, 130), "math": (5_000, 300)}
#: Where the numbers come from, for the plan's reader.
BASIS = (
    "Stated rates, not measured: an A100 at 40 % of its peak in training, "
    f"{GENERATING['hf']:.0f} (hf) or {GENERATING['vllm']:.0f} (vllm) generated tokens per second and GPU, and guessed "
    "lengths; for a laptop, what its parts took on one core."
)
_BENCHMARK = {title: benchmark for benchmark, title in paper.BENCHMARKS.items()}
#: Seconds that the laptop's parts took on one core each (bench/RESULTS.md).
LAPTOP_BASE, LAPTOP_STEP, LAPTOP_TASK, LAPTOP_START = 456.0, 0.37, 25.0, 15.0


@dataclass(frozen=True)
class Cost:
    """Of one run: hours of one GPU (of one core for the laptop), and GB on disk, while it trains and afterwards."""

    training: float
    evaluation: float
    peak: float
    kept: float

    @property
    def hours(self) -> float:
        """All stages."""
        return self.training + self.evaluation


def cost(plan: Plan, row: RowPlan) -> Cost | None:
    """Return what one run of a row takes; None for a recipe whose data or model no rate is stated for."""
    if plan.laptop:
        steps = row.config["max_steps"] if row.config else 0
        tasks = len({measured.task for measured in row.measures.values()})
        return Cost((steps * LAPTOP_STEP + 2 * LAPTOP_START) / 3600, tasks * LAPTOP_TASK / 3600, 0.02, 0.01)
    base, data = _trained_on(row)
    if base is None:
        return None
    parameters = _PARAMETERS[base]
    rate = GENERATING[plan.backend] * 6.74e9 / parameters
    answers = [_QUESTIONS[_BENCHMARK[title]] for title in row.measures]
    evaluation = sum(questions * tokens for questions, tokens in answers) / rate / 3600
    weights = 2 * parameters / 1e9
    if row.config is not None and "num_epochs" not in row.config:
        return None
    if row.config is None or data is None:
        return Cost(0.0, evaluation, weights, weights)
    epochs = row.config["num_epochs"]
    tokens = paper.DATA[data].rows * epochs * _TOKENS[data]
    # A checkpoint has the weights and two moments in 32 bits besides; the old one goes when the new one is whole.
    peak = weights + (epochs if row.curve else 2) * 12 * parameters / 1e9
    if row.curve:
        evaluation *= 1 + epochs
    return Cost(tokens * parameters / TRAINING / 3600, evaluation, peak, weights if plan.keep_weights else 0.1)


def _trained_on(row: RowPlan) -> tuple[str | None, str | None]:
    """Return the paper's names of a row's base model and data, as far as it has them."""
    if row.model is not None:
        return ("llama2-7b" if "Llama2" in row.model else "mistral-7b"), None
    assert row.config is not None
    model, kind = row.config.get("base_model"), str(row.config["datasets"][0].get("type")).rpartition(".")[2]
    base = next((name for name, known in paper.BASES.items() if known.model == model), None)
    named = [name for name in paper.DATA if f"/{name}-" in row.name]
    data = named[0] if named else next((name for name, known in paper.DATA.items() if known.strategy == kind), None)
    return (base, data) if data is not None else (None, None)


def table(plan: Plan) -> list[Sequence[str]]:
    """Return header and rows of what the plan's runs take, one line per row of the plan, and the sum."""
    unit = "core hours" if plan.laptop else "GPU hours"
    lines: list[Sequence[str]] = [
        ("row", "seeds", "tasks", f"training, {unit}", f"evaluation, {unit}", "GB at most", "GB kept")
    ]
    runs, hours, kept, peak = 0, 0.0, 0.0, 0.0
    for row in plan.rows:
        seeds, found = len(plan.seeds[row.name]), cost(plan, row)
        runs += seeds
        tasks = ", ".join(dict.fromkeys(measured.task for measured in row.measures.values()))
        if found is None:
            lines.append((row.name, str(seeds), tasks, "?", "?", "?", "?"))
            continue
        hours += seeds * found.hours
        kept += seeds * found.kept
        peak = max(peak, found.peak)
        numbers = (seeds * found.training, seeds * found.evaluation, found.peak, seeds * found.kept)
        lines.append((row.name, str(seeds), tasks, *(f"{number:,.1f}" for number in numbers)))
    if plan.laptop:
        hours += LAPTOP_BASE / 3600
    lines.append(("together", str(runs), "", f"{hours:,.1f} in all", "", f"{peak + kept:,.1f}", f"{kept:,.1f}"))
    return lines
