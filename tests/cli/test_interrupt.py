"""Ctrl-C and `kill`: one line, whatever is at work, nothing half-written, and no process left."""

from __future__ import annotations

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from support.harness import SNAKEMAKE
from support.project import Rows, write_jsonl
from support.signals import hear_interrupts, ignore_interrupts

# While the commands are imported.
EARLY = """
import os, signal, sys

class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == "axolotl_cotmask.cli.score":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupts())
from axolotl_cotmask.__main__ import main
main()
"""
# While another program is at work, to the whole group, as a terminal does.
LATE = """
import sys
from axolotl_cotmask.cli.common import command
from axolotl_cotmask.evaluation.lm_eval import run_command

CHILD = "import os, signal, time; os.killpg(os.getpgid(os.getppid()), signal.SIGINT); time.sleep(600)"

@command()
def waits():
    run_command([sys.executable, "-c", CHILD])

waits()
"""


def interrupted(code: str) -> str:
    run = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=hear_interrupts, check=False, timeout=300)  # fmt: skip
    assert run.returncode == 1, run.stderr
    return run.stderr


# With a process of a library's own that hears no signal, which Python would wait for at its end.
DEAF = """
import multiprocessing, os, signal, time
from axolotl_cotmask.cli.common import command

def deaf(ready):
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    ready.set()
    time.sleep(600)

@command()
def waits():
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    context.Process(target=deaf, args=[ready]).start()
    ready.wait()
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(600)

waits()
"""


# Where Python ignores an exception: as it forks, and in a finalizer.
IGNORED = """
import os, signal, time
from axolotl_cotmask.cli.common import command

class Finalized:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.2)

@command()
def forks():
    os.register_at_fork(before=lambda: os.kill(os.getpid(), signal.SIGTERM))
    if os.fork() == 0:
        os._exit(0)
    time.sleep(600)

@command()
def finalizes():
    Finalized()
    time.sleep(600)
"""


@pytest.mark.parametrize("name", ["forks", "finalizes"])
def test_where_python_would_ignore_it(name: str) -> None:
    assert interrupted(f"{IGNORED}\n{name}()").strip() == "Aborted!"


def test_while_the_commands_are_imported() -> None:
    assert interrupted(EARLY) == "Aborted!\n"


def test_while_lm_eval_is_at_work_and_it_ends_too() -> None:
    # `run` comes back when all that hold the pipe have ended, the child among them.
    assert interrupted(LATE).strip() == "Aborted!"


def test_while_a_process_of_a_library_hears_nothing() -> None:
    # Without an end of it `run` would come back after ten minutes.
    assert interrupted(DEAF).strip() == "Aborted!"


def test_the_console_script_is_that_program() -> None:
    words = [sys.executable, "-m", "axolotl_cotmask", "tasks-path"]
    run = subprocess.run(words, capture_output=True, text=True, check=True)
    assert run.stdout.strip().endswith("evaltasks")


#: Whom a signal reaches: all in the terminal, as Ctrl-C does, or the command alone, as `kill` does.
WAYS = [(signal.SIGINT, True), (signal.SIGINT, False), (signal.SIGTERM, True), (signal.SIGTERM, False)]
each_way = pytest.mark.parametrize(
    ("number", "whole_group"), WAYS, ids=[f"{number.name} to {'all' if whole else 'it'}" for number, whole in WAYS]
)


def tree(pid: int) -> set[int]:
    """A process and all that come from it, or are in its session."""
    parents: dict[int, tuple[int, int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            parents[int(entry.name)] = (int(fields[1]), int(fields[3]))
    found = {pid}
    while new := {q for q, (parent, session) in parents.items() if parent in found or session == pid} - found:
        found |= new
    return found & parents.keys()


def end(
    words: list[str],
    number: int,
    whole_group: bool,
    at_work: Callable[[set[int]], bool],
    where: Path,
    before: Callable[[], None] = hear_interrupts,
    **variables: str,
) -> str:
    """Start a command, send it a signal once it is at work, and return what it wrote to standard error.

    ``before`` is done in its process.
    """
    log = where / "stderr"
    with log.open("w") as stderr, subprocess.Popen(
        words, cwd=where, env={**os.environ, **variables}, stdin=subprocess.DEVNULL, stderr=stderr,
        start_new_session=True, preexec_fn=before,
    ) as process:  # fmt: skip
        while not at_work(seen := tree(process.pid)):
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
        if whole_group:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        try:
            process.wait(timeout=120)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    # Killed by the signal: Python's way to end where the interruption came within `exec`.
    assert process.returncode in (1, -number)
    deadline = time.monotonic() + 30
    while (left := [pid for pid in seen if Path(f"/proc/{pid}").exists()]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left
    return log.read_text()


WAITS = """
import sys
from axolotl_cotmask.evaluation.lm_eval import run_command

run_command([sys.executable, "-c", "import time; time.sleep(600)"])
"""


def test_lm_eval_ends_with_the_command_that_is_killed(tmp_path: Path) -> None:
    def at_work(seen: set[int]) -> bool:
        commands = [Path(f"/proc/{pid}/cmdline") for pid in seen]
        return any(b"; time.sleep(600)\0" in path.read_bytes() for path in commands if path.exists())

    assert end([sys.executable, "-c", WAITS], signal.SIGKILL, False, at_work, tmp_path) == ""


def cotmask(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "axolotl_cotmask", *map(str, words)]


@each_way
def test_execute(number: int, whole_group: bool, tmp_path: Path) -> None:
    program = "import time\nprint(1)\ntime.sleep({})"
    rows = [{"resps": [[program.format(3 + place / 100)], ["a chain of thought"]]} for place in range(30)]
    write_jsonl(tmp_path / "generations.jsonl", rows)
    (tmp_path / "tmp").mkdir()
    words = cotmask(
        "execute", "generations.jsonl", "out.jsonl", "--rule", "mammoth_number", "--confirm_run_unsafe_code"
    )
    variables = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "TMPDIR": str(tmp_path / "tmp")}
    log = tmp_path / "stderr"

    def at_work(seen: set[int]) -> bool:
        return "isolation" in log.read_text() and len(seen) > 2

    said = end(words, number, whole_group, at_work, tmp_path, **variables)
    assert said.split("\n")[-3:] == ["", "Aborted!", ""]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "generations.jsonl", "stderr", "tmp"]
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.fixture
def endless() -> Iterator[str]:
    """A server that sends bytes without end."""
    ended = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(10**9))
            self.end_headers()
            try:
                while not ended.wait(0.05):
                    self.wfile.write(b"x" * 1000)
            except OSError:
                return

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        ended.set()
        server.shutdown()


FETCH = """
import sys
from axolotl_cotmask.data import sources
url = sys.argv.pop(1)
sources.DataSource.url = property(lambda self: url)
from axolotl_cotmask.__main__ import main
main()
"""


@each_way
def test_fetch_data(number: int, whole_group: bool, tmp_path: Path, endless: str) -> None:
    part = tmp_path / "data" / "rft_u33b.jsonl.part"
    words = [sys.executable, "-c", FETCH, endless, "fetch-data", "rft_u33"]
    said = end(
        words, number, whole_group, lambda _: part.is_file() and part.stat().st_size > 0, tmp_path,
        COTMASK_DATA_DIR=str(tmp_path / "data"),
    )  # fmt: skip
    assert said.strip() == "Aborted!"
    assert part.is_file(), "to go on from"
    assert not part.with_suffix("").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "whole_group"), [WAYS[0], WAYS[-1]], ids=["Ctrl-C", "kill"])
def test_preview_with_workers(
    number: int, whole_group: bool, tiny_model: Path, gsm8k_rows: Rows, tmp_path: Path
) -> None:
    write_jsonl(tmp_path / "rows.jsonl", gsm8k_rows * 2000)
    config = {
        "base_model": str(tiny_model), "plugins": ["axolotl_cotmask.CoTMaskPlugin"], "cotmask": {"mask_ratio": 0.4},
        "datasets": [{"path": "./rows.jsonl", "type": "axolotl_cotmask.prompt_strategies.gsm8k"}],
        "sequence_len": 512, "micro_batch_size": 1, "gradient_accumulation_steps": 1, "num_epochs": 1,
        "learning_rate": 1e-3, "dataset_num_proc": 2, "bf16": False,
    }  # fmt: skip
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    words = cotmask("preview", "config.yaml")
    said = end(words, number, whole_group, lambda seen: len(seen) >= 3, tmp_path, HF_HOME=str(tmp_path / "hf"))
    assert said.strip() == "Aborted!"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "whole_group", "before"),
    [
        (signal.SIGINT, True, hear_interrupts),
        (signal.SIGTERM, False, ignore_interrupts),
        (signal.SIGKILL, False, hear_interrupts),
    ],
    ids=["Ctrl-C", "kill, under nohup", "kill -9"],
)
def test_repro(number: int, whole_group: bool, before: Callable[[], None], tmp_path: Path) -> None:
    if not (SNAKEMAKE / "snakemake").is_file():
        pytest.skip("Snakemake's environment is not there: nox -s workflow")
    path = os.pathsep.join([str(SNAKEMAKE), os.environ["PATH"]])
    plan = tmp_path / "out" / "plan.json"

    def training(seen: set[int]) -> bool:
        commands = [Path(f"/proc/{pid}/cmdline") for pid in seen]
        return any(b"axolotl\0" in path.read_bytes() for path in commands if path.exists())

    words = cotmask("repro", "demo", "--problems", "8", "--output", "out", "--", "--cores", "1")
    said = end(words, number, whole_group, training, tmp_path, before, PATH=path)
    assert number == signal.SIGKILL or said.endswith("the same command goes on from here\n\nAborted!\n"), said
    assert "Traceback" not in said
    assert json.loads(plan.read_text())["runs"]
    assert not list((tmp_path / "out").glob(".plan*"))
    assert not list((tmp_path / "out").glob("report*"))
    # The directory is free again.
    run = subprocess.run([*words, "--dry-run"], cwd=tmp_path, env={**os.environ, "PATH": path}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)  # fmt: skip
    assert run.returncode == 0, run.stdout
    assert {"2 train", "6 evaluate"} <= set(run.stdout.splitlines()), run.stdout
