"""``axolotl cotmask repro``: from a row or table of the paper to runs, verdicts and a report."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from axolotl_cotmask.cli.common import DirectoryPlace, RegularFile, command, echo_words, print_table, typed_command
from axolotl_cotmask.common.errors import CoTMaskError

if TYPE_CHECKING:
    from axolotl_cotmask.reproduction.plan import Plan

_GPUS = 8  # of one machine


@command()
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="WHAT... [-- SNAKEMAKE...]")
@click.option("--plan", "plan_only", is_flag=True, help="Print the runs and what they will take, and stop.")
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="Of each row: 1, 2, ...")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Override a key of the recipes.")
@click.option("--problems", type=click.IntRange(min=0), metavar="SEED", help="laptop, demo: of one set of problems.")
@click.option("--tiny", is_flag=True, help="The same masks on the laptop's made-up problems.")
@click.option("--backend", type=click.Choice(["hf", "vllm"]), default="hf", show_default=True, help="Of lm_eval.")
@click.option("--lm-eval", default="lm_eval", show_default=True, help="The program; vLLM has its own environment.")
@click.option(
    "--gpus",
    type=click.IntRange(min=1),
    help="That a run takes, at the same batch size; that a recipe of your own is for.  [default: the recipe's; 1]",
)
@click.option("--profile", help="cpu, gpu, slurm, or a directory.  [default: cpu for laptop and --tiny, else gpu]")
@click.option("--teacher", metavar="NAME|FILE", help="llm2llm: a model behind --endpoint, or a file of replies.")
@click.option("--endpoint", metavar="URL", help="Of the teacher, up to /v1, as in http://localhost:8000/v1.")
@click.option("--keep-weights", is_flag=True, help="Keep trained weights after they were scored.")
@click.option("--confirm_run_unsafe_code", is_flag=True, help="Let models' programs run, as MAmmoTH's tasks need it.")
@click.option("--external", "externals", multiple=True, type=RegularFile(), help="YAML of what others published.")
@click.option(
    "--output", type=DirectoryPlace(), help="[default: outputs/laptop, .../demo, .../demo-problems-8, .../reproduce]"
)
def repro(
    words: tuple[str, ...],
    plan_only: bool,
    seeds: int,
    settings: tuple[str, ...],
    problems: int | None,
    tiny: bool,
    backend: str,
    lm_eval: str,
    gpus: int | None,
    profile: str | None,
    teacher: str | None,
    endpoint: str | None,
    keep_weights: bool,
    confirm_run_unsafe_code: bool,
    externals: tuple[Path, ...],
    output: Path | None,
) -> None:
    """Train and score WHAT with several seeds, hold it against the paper, and write a report.

    WHAT is a row (llama2-7b/gsm8k-mft), a table (table1, ..., table5), methods (claims between MFT, RFT and SFT), fig2,
    fig3, selectors, a base model (llama2-7b), the path of a recipe, calibrate (score the released checkpoints), laptop,
    demo, laptop-bases, laptop-augmented, laptop-rows or laptop-curve; several may be named.
    An interrupted run goes on where it was; what is finished is not done again.
    """
    from axolotl_cotmask.reproduction.settings import with_settings, with_teacher

    # What follows `--` begins with an option of Snakemake.
    first = next((number for number, word in enumerate(words) if word.startswith("-")), len(words))
    what, arguments = words[:first], words[first:]
    plan = with_settings(_make_plan(what, seeds, tiny, gpus, problems), settings, gpus)
    profile = profile or ("cpu" if plan.setup.device == "cpu" else "gpu")
    setup = dataclasses.replace(
        plan.setup,
        device="cpu" if profile == "cpu" else plan.setup.device,
        backend=backend,
        lm_eval=lm_eval,
        keep_weights=plan.setup.keep_weights or keep_weights,
        confirm_run_unsafe_code=confirm_run_unsafe_code,
    )
    plan = dataclasses.replace(plan, setup=setup, command=typed_command("repro"))
    if endpoint is not None and teacher is None:
        raise CoTMaskError(f"--endpoint {endpoint} is a teacher's: name its model there with --teacher")
    if teacher is not None:
        plan = with_teacher(plan, teacher, endpoint or "")
    if plan_only:
        _print_costs(plan)
        return
    from axolotl_cotmask.reproduction.external import read_external
    from axolotl_cotmask.reproduction.laptop.plans import is_laptop
    from axolotl_cotmask.reproduction.run import reproduce

    _check(plan, gpus)
    others = [result for path in externals for result in read_external(path)]
    directory = "tiny" if tiny else Path(what[0]).stem if is_laptop(what[0]) else "reproduce"
    # In one directory other problems would take the place of those that are there.
    directory += "" if problems is None else f"-problems-{problems}"
    status = reproduce(
        plan, output or Path("outputs", directory), profile, arguments, others, lambda line: click.echo(line, err=True)
    )
    sys.exit(status)


def _make_plan(what: tuple[str, ...], seeds: int, tiny: bool, gpus: int | None, problems: int | None) -> Plan:
    from axolotl_cotmask.reproduction.laptop.plans import is_laptop, laptop_plan, tiny_plan
    from axolotl_cotmask.reproduction.paper_plan import make_plan

    if not what:
        raise CoTMaskError("name what to reproduce: a row, a table, the path of a recipe, laptop, ... (see --help)")
    if own := next(filter(is_laptop, what), None):
        if len(what) > 1:
            other = next(name for name in what if name != own)
            raise CoTMaskError(f"{own} has seeds and a size of its own: name it alone, without {other}")
        if tiny:
            raise CoTMaskError(f"{own} has seeds and a size of its own: leave out --tiny")
        return laptop_plan(own, problems)
    if problems is not None:
        raise CoTMaskError(f"--problems is for the laptop's own plans, and {what[0]} is none: leave it out")
    plan = make_plan(what, seeds, own_gpus=gpus or 1)
    return tiny_plan(plan) if tiny else plan


def _print_costs(plan: Plan) -> None:
    from axolotl_cotmask.reproduction.costs import BASIS, cost_table, teacher_requests

    header, *lines = cost_table(plan)
    print_table(plan.title, header, lines, left=(0, header.index("tasks")))
    echo_words(BASIS)
    if requests := teacher_requests(plan):
        echo_words(f"A teacher is asked at most {requests:,} times, with 1 % of GSM8K's training rows as seed data.")
    named = {row.name for row in plan.rows}
    for name in dict.fromkeys(claim.baseline for claim in plan.claims if claim.baseline not in named):
        echo_words(f"For a verdict also run {name}.")


def _check(plan: Plan, gpus: int | None) -> None:
    many = [row for row in plan.rows if row.gpus > _GPUS]
    if many and gpus is None:
        raise CoTMaskError(
            f"{many[0].name} is for {many[0].gpus} GPUs on several machines: name those of one with --gpus, or train "
            "it with `axolotl train`, as the recipe says"
        )
    for row in plan.rows:
        # What the plan makes itself has draws or a chain.
        for entry in row.config["datasets"] if row.config and not row.draws and row.chain is None else ():
            path = str(entry.get("path") or "")
            if path.endswith(".jsonl") and "://" not in path and not Path(path).is_file():
                raise CoTMaskError(f"{row.name} trains on {path}, which is not there: put it there")
    if untaught := [row.name for row in plan.rows if row.teacher == ""]:
        raise CoTMaskError(
            f"{untaught[0]} is trained on what a teacher writes, and none is named: give --teacher NAME --endpoint URL "
            "for a model behind a chat endpoint, or --teacher FILE for a file of replies (docs/augmentation.md)"
        )
    unsafe = [row.name for row in plan.rows if any(task.unsafe for task in row.tasks)]
    if unsafe and not plan.setup.confirm_run_unsafe_code:
        raise CoTMaskError(
            f"{unsafe[0]} is scored by running programs that the model wrote: add --confirm_run_unsafe_code to let "
            "them run in the sandbox (docs/sandbox.md)"
        )
