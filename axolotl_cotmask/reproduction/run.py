"""Runs a plan by Snakemake, and reports what came of it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.figures import require_matplotlib
from axolotl_cotmask.common.files import whole_file
from axolotl_cotmask.common.guarded import guarded
from axolotl_cotmask.common.places import check_new_directory
from axolotl_cotmask.data.sources import ENV_VAR, named_dir
from axolotl_cotmask.reproduction.collect import collect_outcome
from axolotl_cotmask.reproduction.costs import stage_seconds
from axolotl_cotmask.reproduction.integrity import check_tree, remove_damaged, remove_scratch
from axolotl_cotmask.reproduction.layout import ALIVE, LOCK, PLAN
from axolotl_cotmask.reproduction.plan import Plan
from axolotl_cotmask.reproduction.progress import WorkflowProgress
from axolotl_cotmask.reproduction.report import told_in_a_sentence, write_report
from axolotl_cotmask.reproduction.report.outcome import ExternalResult

_HERE = Path(__file__).parent
_LAST_LINES = 20
_SNAKEMAKES_LOCKS = Path(".snakemake", "locks")


def reproduce(
    plan: Plan,
    output: Path,
    profile: str,
    arguments: Sequence[str],
    externals: Sequence[ExternalResult],
    say: Callable[[str], None],
) -> int:
    """Do what is missing of a plan, write ``report.html`` and ``report.md``, and return Snakemake's status.

    Args:
        plan: what to run.
        output: the directory of runs and report; finished runs of other plans in it stay.
        profile: cpu, gpu, slurm, or the directory of a Snakemake profile.
        arguments: for Snakemake, unchanged.
        externals: results that others published.
        say: gets the lines on progress.

    Raises:
        CoTMaskError: Snakemake is not installed, there is no such profile, another run is at work in ``output``, or it
            cannot be written to, or something is in the way there.
    """
    if shutil.which("snakemake") is None:
        raise CoTMaskError(
            "snakemake is not on PATH: use `nox -s reproduce`, which installs it in an environment of its own, or "
            "install it apart from Axolotl (pipx install snakemake): the two need different versions of packaging"
        )
    require_matplotlib("the report's plots need")
    settings = _HERE / "profiles" / profile if not Path(profile).is_dir() else Path(profile)
    if not settings.is_dir():
        raise CoTMaskError(f"there is no profile {profile}: name cpu, gpu, slurm, or the directory of one of your own")
    check_new_directory(output)
    output.mkdir(parents=True, exist_ok=True)
    check_tree(output, plan.runs(), plan.extra_rules.results.values() if plan.extra_rules else ())
    try:
        # Snakemake has a lock of its own; this one also covers the plan that it reads.
        with FileLock(output / LOCK, timeout=0):
            status = _run_workflow(plan, output, settings, arguments, say)
            outcome = collect_outcome(plan, output, externals)
            write_report(outcome, output)
    except Timeout as error:
        raise CoTMaskError(f"another run is at work in {output}: wait for it, or name another --output") from error
    if told := told_in_a_sentence(outcome):
        say(told)
    say(f"the report is {output / 'report.html'} (and report.md)")
    return status


def _run_workflow(
    plan: Plan, output: Path, settings: Path, arguments: Sequence[str], say: Callable[[str], None]
) -> int:
    remove_scratch(output)
    with whole_file(output / PLAN) as temporary:
        temporary.write_text(plan.as_json(), encoding="utf-8")
    for wrong in remove_damaged(output):
        say(f"{wrong}: it and what rests on it are made again")
    command = [
        *("snakemake", "--snakefile", str(_HERE / "Snakefile"), "--configfile", str((output / PLAN).resolve())),
        *("--directory", str(output), "--profile", str(settings.resolve())),
        # Not by code: the shell lines of the Snakefile say nothing about what they call.
        *("--rerun-triggers", "mtime", "params", "input", "--rerun-incomplete", "--keep-going"),
        *("--logger", "cotmask", *(("--notemp",) if plan.setup.keep_weights else ())),
    ]
    # The programs of this environment, also where it is not activated.
    variables = os.environ | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])}
    if (data := named_dir()) is not None:
        variables[ENV_VAR] = str(data.resolve())
    # Snakemake looks for its plugins there.
    variables["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(_HERE / "snakemake_logger"), variables.get("PYTHONPATH")])
    )
    options: dict[str, Any] = {
        "ends_by": signal.SIGINT, "alive": output / ALIVE, "env": variables,
        "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True,
    }  # fmt: skip
    progress = WorkflowProgress(output, say, stage_seconds(plan))
    if any((output / _SNAKEMAKES_LOCKS).glob("*")):
        # It was killed, and is no longer at work: this process holds the directory.
        with guarded([*command, "--unlock"], **options):
            pass
    try:
        with guarded([*command, *arguments], **options) as process:
            assert process.stdout is not None
            events = progress.follow(process.stdout)
    except KeyboardInterrupt:
        say("Interrupted: what is finished stays, and the same command goes on from here")
        raise
    if process.returncode and not events.failed:
        # No stage has failed: it is about the workflow itself.
        say("\n".join(events.texts[-_LAST_LINES:]))
    if not process.returncode and not arguments and not events.planned:
        say("Nothing to be done: every result of this plan is there")
    elif not process.returncode and not events.done:
        # Planned and not done: a dry run.
        say("\n".join(f"{count} {rule}" for rule, count in events.planned.items()))
    return process.returncode
