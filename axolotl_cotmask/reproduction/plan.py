"""What a plan is: rows, what each trains and is scored on, the claims that they are held to, and how all are run.

A plan is written as ``plan.json`` into the output directory, where Snakemake and the stages read it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from axolotl_cotmask.common.files import read_json

Config = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """An lm-eval task.

    ``benchmark`` is its key in the paper's facts, "" where it is none of the paper's. With ``chat`` it is asked in the
    model's chat template; ``unsafe``: it runs programs that the model wrote.
    """

    name: str
    benchmark: str = ""
    chat: bool = False
    unsafe: bool = False


@dataclass(frozen=True)
class Measured:
    """A row's column: the task and its metric, and the published share from 0 to 1, where there is one."""

    task: Task
    metric: str = "exact_match"
    published: float | None = None


@dataclass(frozen=True)
class Draw:
    """What a seed stands for where more is drawn than the order of the data and the masks.

    ``base`` and ``problems`` name the base model and the problems to train on and to be tested with; ``config`` are the
    recipe's keys that say so. ``data_dir`` holds the data sets, ``questions`` what models are sampled on, ``needs`` are
    the files that must be made first, all below the output directory.
    """

    base: str
    problems: str
    config: Config
    data_dir: str
    needs: Sequence[str] = ()
    questions: str = ""


@dataclass(frozen=True)
class Sampling:
    """How a run's model is sampled for other runs: ``samples`` of each question by an lm-eval task.

    ``direct_task`` is a second one that asks for answers without reasoning, "" where none is needed. ``data_dir``,
    below the output directory, has the questions in ``file``; "" is whatever the caller's COTMASK_DATA_DIR says.
    """

    task: str
    samples: int
    file: str
    direct_task: str = ""
    data_dir: str = ""

    @property
    def tasks(self) -> list[str]:
        """The tasks that the model is sampled with."""
        return [task for task in (self.task, self.direct_task) if task]


@dataclass(frozen=True)
class Chain:
    """How a run's data are made of samples of another run's model, and whether it goes on from that model.

    ``source`` is the other row; in `RunPlan`, its run of the same seed. ``make`` are arguments of `axolotl cotmask
    augment` that turn samples into rows, such as ``pairs --rule wrong``; the rows take the place of the recipe's first
    data set. With ``direct`` they are made of the samples without reasoning, too. With ``continues`` the run goes on
    from the other run's weights, after ``merge`` of its adapter; else it begins from its own base model.
    """

    source: str
    make: Sequence[str]
    direct: bool = False
    continues: bool = False
    merge: bool = False


@dataclass(frozen=True)
class RowPlan:
    """What the seeds of a row have in common.

    ``config`` is the Axolotl YAML; None for a released checkpoint, which ``model`` then names. ``measures`` are by
    title. ``needs`` are files below the output directory that must be made first. ``curve`` is the task that every
    checkpoint is scored on. ``gpus`` is 0 for what is trained on a CPU. ``draws`` are by seed; without them the runs
    share base model and data. ``sampling`` is for the rows whose ``chain`` begins here, on so many ``questions``.

    With a ``teacher`` the rows of the ``chain`` are what it wrote like those training questions that the source gets
    wrong (LLM2LLM), of so many ``questions``. It is the name of a model behind the plan's endpoint, or a file of
    replies; "" is one that is not named yet. ``rows`` is how many are trained on at most, where no recipe tells.
    """

    name: str
    label: str
    group: str
    measures: Mapping[str, Measured]
    config: Config | None = None
    model: str | None = None
    gpus: int = 1
    needs: Sequence[str] = ()
    curve: Task | None = None
    draws: Mapping[int, Draw] = field(default_factory=dict)
    sampling: Sampling | None = None
    questions: int = 0
    chain: Chain | None = None
    teacher: str | None = None
    rows: int = 0

    @property
    def tasks(self) -> list[Task]:
        """What the row is scored on, each once, in the order of the measures."""
        return list(dict.fromkeys(measured.task for measured in self.measures.values()))


@dataclass(frozen=True)
class RunPlan:
    """One run, a row with one seed, as ``plan.json`` holds it for the stages.

    ``data_dir``, below the output directory, holds its data sets; "" is whatever the caller's COTMASK_DATA_DIR says.
    """

    row: str
    group: str
    config: Config | None
    model: str | None
    tasks: Sequence[Task]
    gpus: int
    needs: Sequence[str]
    curve: Task | None
    data_dir: str
    sampling: Sampling | None = None
    chain: Chain | None = None
    teacher: str | None = None

    def task(self, name: str) -> Task:
        """Return the task called ``name``."""
        return next(task for task in self.tasks if task.name == name)


@dataclass(frozen=True)
class ClaimPlan:
    """A published difference between two rows in a measure, as a share from 0 to 1.

    ``comparisons`` counts the claims that are read together, also where only some of them are run: their intervals hold
    at once. With a ``margin`` the claim is that the two are on par, and ``difference`` what the paper has between them.
    """

    measure: str
    baseline: str
    treated: str
    difference: float
    source: str
    comparisons: int = 1
    margin: float = 0.0


@dataclass(frozen=True)
class AveragePlan:
    """A published mean over pairs of rows (baseline, treated) of their difference in a measure, a share from 0 to 1."""

    measure: str
    pairs: Sequence[tuple[str, str]]
    difference: float
    source: str


@dataclass(frozen=True)
class Headline:
    """The comparison that a report begins with: a measure of two rows. ``rows`` is on how many problems they train."""

    measure: str
    baseline: str
    treated: str
    rows: int


@dataclass(frozen=True)
class Setup:
    """How all runs of a plan are trained and scored.

    ``device`` is cpu or cuda; ``directory`` is where relative paths in the recipes start ("" is the output directory).
    ``test_data`` names the files of a run's own data that every evaluation reads. ``generation`` are lm-eval's
    gen_kwargs; ``lm_eval`` is the program, which vLLM has in an environment of its own. ``confirm_run_unsafe_code``:
    programs that a model wrote may run, in the sandbox.
    """

    backend: str = "hf"
    device: str = "cuda"
    directory: str = ""
    test_data: Sequence[str] = ()
    generation: str = ""
    lm_eval: str = "lm_eval"
    confirm_run_unsafe_code: bool = False
    keep_weights: bool = False


@dataclass(frozen=True)
class ExtraRules:
    """A Snakefile that makes what no run makes, such as data and base models.

    ``settings`` are the rules' own. ``results`` are files or directories by the name of the log that is written while
    they are made, both below the output directory.
    """

    snakefile: str
    settings: Mapping[str, Any]
    results: Mapping[str, str]


@dataclass(frozen=True)
class CoreSeconds:
    """What runs without a GPU took on one core, in seconds.

    ``shared`` is all that they share, ``start`` that of a program; then a step, a task, an answer to a training
    question, and what is made of a row's answers.
    """

    shared: float
    start: float
    step: float
    task: float
    answer: float
    augment: float


@dataclass(frozen=True)
class Plan:
    """Rows and seeds, claims on them and on their averages, and how they are run.

    ``others`` are rows that a claim compares with and that are not run: they may lie in the same directory already.
    ``dependency`` names the groups whose dependency is measured. ``core_seconds`` is what costs are reckoned from;
    None: from the stated rates of GPUs. ``endpoint`` is the address of the rows' teacher; "": a file of replies is.
    """

    title: str
    rows: Sequence[RowPlan]
    measures: Mapping[str, str]
    seeds: Mapping[str, Sequence[int]]
    claims: Sequence[ClaimPlan] = ()
    averages: Sequence[AveragePlan] = ()
    headline: Headline | None = None
    others: Sequence[RowPlan] = ()
    notes: Sequence[str] = ()
    command: str = ""
    setup: Setup = field(default_factory=Setup)
    extra_rules: ExtraRules | None = None
    dependency: Sequence[str] = ()
    core_seconds: CoreSeconds | None = None
    endpoint: str = ""

    def runs(self) -> dict[str, RunPlan]:
        """Return the runs by name."""
        return {run_name(row, seed): _run_plan(row, seed) for row in self.rows for seed in self.seeds[row.name]}

    def as_json(self) -> str:
        """Return the text of ``plan.json``: the plan, and its ``runs``; Snakemake's config."""
        runs = {name: asdict(run) for name, run in self.runs().items()}
        return json.dumps(asdict(self) | {"runs": runs}, indent=1, default=list)


def run_name(row: RowPlan, seed: int) -> str:
    """Return the name of a row's run, which is also its path in the output directory."""
    return _run_name(row.name, seed)


def _run_name(row: str, seed: int) -> str:
    return f"{row}/seed-{seed}"


def config_of(row: RowPlan, seed: int) -> Config | None:
    """Return the recipe of one run; None for a released checkpoint."""
    drawn = row.draws[seed].config if row.draws else {}
    return row.config and row.config | {"seed": seed} | drawn


def _run_plan(row: RowPlan, seed: int) -> RunPlan:
    tasks = sorted(row.tasks, key=lambda task: task.name)
    draw = row.draws.get(seed)
    needs, data_dir = (row.needs, "") if draw is None else ((*row.needs, *draw.needs), draw.data_dir)
    return RunPlan(
        row=row.name,
        group=row.group,
        config=config_of(row, seed),
        model=row.model,
        tasks=tasks,
        gpus=row.gpus,
        needs=needs,
        curve=row.curve,
        data_dir=data_dir,
        sampling=row.sampling and replace(row.sampling, data_dir="" if draw is None else draw.questions),
        chain=row.chain and replace(row.chain, source=_run_name(row.chain.source, seed)),
        teacher=row.teacher,
    )


def read_run(path: Path, name: str) -> tuple[Setup, RunPlan]:
    """Return what ``plan.json`` says of all runs, and of the run called ``name``.

    Raises:
        CoTMaskError: the file is not there or not complete.
    """
    plan = read_json(path)
    run = plan["runs"][name]
    parts = {
        "tasks": [Task(**task) for task in run["tasks"]],
        "curve": run["curve"] and Task(**run["curve"]),
        "sampling": run["sampling"] and Sampling(**run["sampling"]),
        "chain": run["chain"] and Chain(**run["chain"]),
    }
    return Setup(**plan["setup"]), RunPlan(**run | parts)
