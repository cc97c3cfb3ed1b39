"""The harness on a one-node Slurm: `python bench/slurm.py [plan] [--same-as DIR]`, as root, both environments on PATH.

Slurm is started for this run alone, in a temporary directory, with as many cores and as much memory as the machine has,
and is gone afterwards. The log goes to stdout, what the harness says while it runs to stderr. `nox -s slurm` sets PATH.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

DAEMONS = ("munged", "slurmctld", "slurmd")
#: Each takes the place of what the profile, which is meant for GPUs, has under its name. Short jobs: a short wait.
ARGUMENTS = (
    *("--slurm-no-account", "--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "5"),
    *("--default-resources", "mem_mb=1000", "runtime=600"),
    *("--set-resources", "train:mem_mb=1000", "--set-threads", "train=1"),
)
#: Ended jobs are listed as long as this Slurm lives.
CONF = """\
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld_port}
SlurmdPort={slurmd_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={directory}/munge.socket
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool
SlurmctldPidFile={directory}/slurmctld.pid
SlurmdPidFile={directory}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MailProg=/bin/true
MinJobAge=86400
SchedulerParameters=batch_sched_delay=1,sched_interval=5
NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 {hardware}
PartitionName=all Nodes={node} Default=YES MaxTime=INFINITE
"""
NODE = "node"


def main() -> int:
    """Run the plan, print the log, and return the harness's status, or 1 where a number differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plan", nargs="?", default="demo", help="of the harness: laptop, demo, the path of a YAML")
    parser.add_argument("--output", type=Path, default=Path("outputs", "slurm"), help="[default: outputs/slurm]")
    parser.add_argument("--same-as", type=Path, metavar="DIR", help="a local run of the plan, to compare with")
    options = parser.parse_args()
    if sentence := _missing():
        parser.error(sentence)
    # As Ctrl-C, so that Slurm is stopped then, too.
    signal.signal(signal.SIGTERM, _interrupt)
    started = time.monotonic()
    print(", ".join(_versions()))
    command = ["axolotl-cotmask", "repro", options.plan, "--profile", "slurm", "--output", str(options.output)]
    command += ["--", *ARGUMENTS]
    shown = [*command[:2], Path(options.plan).name, *command[3:6], options.output.name, *command[7:]]
    print(f"$ {shlex.join(shown)}\n", flush=True)
    try:
        with one_node() as hardware:
            print(f"one node: {hardware}\n", flush=True)
            status = _harness(command)
            jobs = _jobs()
    except KeyboardInterrupt:
        print("interrupted: Slurm is stopped; the next start goes on with what is finished", file=sys.stderr)
        return 130
    _print_jobs(jobs)
    print(f"the harness ended with status {status}")
    same = True
    if options.same_as is not None:
        same, sentence = compare(options.output, options.same_as)
        print(sentence)
    print(f"{time.monotonic() - started:.0f} seconds in all")
    return status or int(not same)


def _missing() -> str | None:
    """Return one sentence on what is missing for a run."""
    if os.geteuid():
        return "a Slurm of one's own is started as root"
    # Where Debian has them, also when root's PATH does not say so.
    os.environ["PATH"] += os.pathsep + "/usr/sbin"
    if missing := [program for program in DAEMONS if shutil.which(program) is None]:
        return f"{', '.join(missing)} not found: `apt-get install slurm-wlm munge` brings them"
    if missing := [program for program in ("axolotl-cotmask", "snakemake") if shutil.which(program) is None]:
        return f"{', '.join(missing)} not on PATH: use `nox -s slurm`"
    return None


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _versions() -> Iterator[str]:
    yield f"Slurm {_run('slurmctld', '-V').split()[-1]}"
    yield f"Snakemake {_run('snakemake', '--version').strip()}"
    plugin = "snakemake-executor-plugin-slurm"
    python = Path(str(shutil.which("snakemake"))).with_name("python")
    yield f"{plugin} {_run(str(python), '-c', f'import importlib.metadata as m; print(m.version({plugin!r}))').strip()}"


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


@contextmanager
def one_node() -> Iterator[str]:
    """Run a Slurm of one node, which SLURM_CONF then names, and yield what the node has."""
    hardware = re.sub(r"NodeName=\S+ |UpTime=\S+", "", _run("slurmd", "-C")).strip()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slurm-")))
        # munged refuses a socket that only its owner could reach. The key stays root's.
        directory.chmod(0o755)
        for name in ("state", "spool"):
            (directory / name).mkdir(mode=0o700)
        key = directory / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(1024))
        ctld_port, slurmd_port = _free_ports()
        conf = directory / "slurm.conf"
        conf.write_text(
            CONF.format(
                host=socket.gethostname().partition(".")[0],
                directory=directory,
                ctld_port=ctld_port,
                slurmd_port=slurmd_port,
                node=NODE,
                hardware=hardware,
            )
        )
        os.environ["SLURM_CONF"] = str(conf)
        # Within a job the plugin drops SLURM_CONF before it calls srun.
        srun = directory / "bin" / "srun"
        srun.parent.mkdir()
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={conf} exec {shutil.which("srun")} "$@"\n')
        srun.chmod(0o755)
        os.environ["PATH"] = f"{srun.parent}{os.pathsep}{os.environ['PATH']}"
        files = {"key-file": key, "socket": directory / "munge.socket"}
        files |= {f"{name}-file": directory / f"munge.{name}" for name in ("pid", "log", "seed")}
        munged = ["munged", "--foreground", *(f"--{name}={path}" for name, path in files.items())]
        daemons: tuple[tuple[list[str], Callable[[], bool]], ...] = (
            (munged, files["socket"].exists),
            (["slurmctld", "-D", "-i"], lambda: _answers("scontrol", "ping")),
            (["slurmd", "-D", "-N", NODE], lambda: "idle" in _run("sinfo", "--noheader", "--format=%T")),
        )
        try:
            for command, ready in daemons:
                stack.enter_context(_daemon(command, directory, ready))
            stack.callback(_cancel_all)
            yield hardware
        finally:
            # A second Ctrl-C would leave daemons behind.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        for one in (first, second):
            one.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


@contextmanager
def _daemon(command: list[str], directory: Path, ready: Callable[[], bool]) -> Iterator[None]:
    """Run a daemon in the foreground of a session of its own, where Ctrl-C does not reach it."""
    log = directory / f"{command[0]}.out"
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
    try:
        _wait(lambda: process.poll() is not None or ready(), 60)
        if process.poll() is not None or not ready():
            sys.exit(f"{command[0]} does not start:\n{log.read_text()[-2000:]}")
        yield
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.5)


def _answers(*command: str) -> bool:
    return subprocess.run(command, check=False, capture_output=True, timeout=60).returncode == 0


def _cancel_all() -> None:
    """End the jobs that are left: their processes would outlive slurmd."""
    with suppress(subprocess.SubprocessError):
        _run("scancel", "--partition=all")
        _wait(lambda: not _run("squeue", "--noheader"), 60)


def _harness(command: list[str]) -> int:
    """Run the harness, let it end by itself when interrupted, and return its status."""
    with subprocess.Popen(command, stdout=sys.stderr, process_group=0) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            # As a terminal does: to Snakemake, too, which cancels its jobs.
            os.killpg(process.pid, signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(60)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            raise


def _jobs() -> list[list[str]]:
    """Return id, state, elapsed time and comment (rule and wildcards) of all jobs, ended ones too."""
    lines = _run("squeue", "--states=all", "--sort=i", "--noheader", "--format=%i|%T|%M|%k").splitlines()
    return [line.strip().split("|", 3) for line in lines]


def _print_jobs(jobs: list[list[str]]) -> None:
    if not jobs:
        print("no jobs")
        return
    print(f"{'job':>4}  {'state':<10} {'elapsed':>8}  rule")
    for number, state, elapsed, comment in jobs:
        rule, _, wildcards = comment.removeprefix("rule_").partition("_wildcards_")
        print(f"{number:>4}  {state:<10} {elapsed:>8}  {rule} {wildcards}".rstrip())
    states = [state for _, state, _, _ in jobs]
    print(f"\n{len(jobs)} jobs: {', '.join(f'{states.count(state)} {state}' for state in sorted(set(states)))}")


def compare(ours: Path, local: Path) -> tuple[bool, str]:
    """Tell whether all scores, question by question, and weights of a run are those of a local one, and what is not.

    The local run may be of a larger plan. The commit, which stands in the signatures, may differ.
    """
    scores, weights = sorted(ours.glob("runs/**/scores/*/*.json")), sorted(ours.glob("[br]*/**/*.safetensors"))
    if not scores:
        return False, "there are no scores to compare"
    wrong = [
        str(path.relative_to(ours))
        for read, paths in ((_scores, scores), (_digest, weights))
        for path in paths
        if not (other := local / path.relative_to(ours)).is_file() or read(path) != read(other)
    ]
    answers = sum(len(_scores(path)["clusters"]) for path in scores)
    compared = f"{len(scores)} files of scores ({answers} answers, question by question), {len(weights)} of weights"
    if wrong:
        return False, f"compared {compared}: missing in the local run, or not the same: {', '.join(wrong)}"
    return True, f"all the same as in the local run: {compared}"


def _scores(path: Path) -> Any:
    content = json.loads(path.read_text(encoding="utf-8"))
    # ...|axolotl-cotmask:0.1.0+1a2b3c4.dirty
    content["signatures"] = {
        task: re.sub(r"\+[0-9a-f]+(\.dirty)?$", "", line) for task, line in content["signatures"].items()
    }
    return content


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    sys.exit(main())
