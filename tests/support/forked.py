"""Real commands in processes forked from one that has imported Axolotl: a cold start takes eight seconds of a core."""

from __future__ import annotations

import io
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

#: Seconds: much more than any of these commands needs on a machine with other work.
_HANGS = 600
#: Commands that `axolotl` starts in processes of their own unless it is told otherwise.
_LAUNCHED = ("train", "evaluate", "inference", "merge-sharded-fsdp-weights")
_TESTS = str(Path(__file__).parents[1])


@dataclass(frozen=True)
class Run:
    """How a command ended: exit status and everything that it wrote."""

    status: int
    output: str

    def check(self) -> Run:
        assert self.status == 0, self.output[-6000:]
        return self

    def sentence(self) -> str:
        """The one sentence that a failed run ended with; there is no traceback around it."""
        assert self.status == 1, self.output[-6000:]
        assert "Traceback" not in self.output, self.output[-6000:]
        lines = [line for line in self.output.splitlines() if line.startswith(("axolotl-cotmask: ", "Error: "))]
        assert len(lines) == 1, self.output[-6000:]
        return lines[0].split(": ", 1)[1]


#: A process, and the file that gets what it writes.
Started = tuple[ForkServerProcess, Path]


class Axolotl:
    """Calls run the `axolotl` command, and wait for its end; lm-eval's command line can be run as well."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["support.preload"])
        with pytest.MonkeyPatch.context() as patch:
            # It finds the module by this variable only. What the commands see are the variables of their own call.
            patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [_TESTS, os.environ.get("PYTHONPATH")])))
            forkserver.ensure_running()

    def __call__(self, *arguments: str | Path, cwd: Path, typed: str = "", **environment: str) -> Run:
        """Run the command with additional variables, and with what a user types."""
        return self._end(self._start("axolotl", arguments, cwd, environment, typed))

    def lm_eval(self, *arguments: str | Path, cwd: Path | None = None) -> Run:
        """Run `lm_eval`, which also knows the scripted model."""
        return self._end(self._start("lm_eval", arguments, cwd or Path.cwd(), {}))

    def on_two_processes(self, *arguments: str | Path, cwd: Path) -> None:
        """Run the command as the two ranks that `torchrun --nproc_per_node=2` starts; both must succeed."""
        with self.ranks(2, *arguments, cwd=cwd) as started:
            for rank in started:
                self._end(rank).check()

    @contextmanager
    def ranks(self, count: int, *arguments: str | Path, cwd: Path, leads: bool = False) -> Iterator[list[Started]]:
        """Yield the processes of the command as so many ranks, and what they write; each may lead its own group."""
        from torch.distributed import TCPStore

        if count == 1:
            yield [self._start("axolotl", arguments, cwd, {}, leads=leads)]
            return
        # The ranks meet here, as they do in torchrun: no port has to be guessed.
        store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        shared = {
            "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port),
            "TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "0",
        }  # fmt: skip
        ranks = [{**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)]
        yield [self._start("axolotl", arguments, cwd, rank, leads=leads) for rank in ranks]

    def apart(self, function: Callable[..., None], *arguments: object) -> int | None:
        """Call a function in a process of its own, and return its status: 0 where the function returned."""
        process = self._context.Process(target=function, args=arguments)
        process.start()
        process.join(_HANGS)
        return process.exitcode

    def _start(
        self,
        program: str,
        arguments: tuple[str | Path, ...],
        cwd: Path,
        environment: dict[str, str],
        typed: str = "",
        leads: bool = False,
    ) -> Started:
        output = self._logs / f"{len(list(self._logs.iterdir()))}.log"
        words = [program, *map(str, arguments)]
        if words[0] == "axolotl" and words[1] in _LAUNCHED:
            words += ["--launcher", "python"]
        with output.open("wb") as file:
            streams = file.fileno(), file.fileno()
            return self.begin(words, str(cwd), {**os.environ, **environment}, streams, typed, leads), output

    def begin(
        self,
        words: Sequence[str],
        directory: str,
        environment: Mapping[str, str],
        streams: Sequence[int],
        typed: str = "",
        leads: bool = False,
    ) -> ForkServerProcess:
        """Start `axolotl`, `axolotl-cotmask` or `lm_eval` with these words and variables alone, writing to two files."""
        # Such an object brings a file along into the process.
        files = [Connection(os.dup(stream), readable=False) for stream in streams]
        process = self._context.Process(
            name=" ".join(words), target=_main, args=(words, directory, environment, typed, files, leads)
        )
        process.start()
        return process

    @staticmethod
    def _end(started: Started) -> Run:
        process, output = started
        process.join(_HANGS)
        said = output.read_text(encoding="utf-8", errors="replace")
        if process.exitcode is None:
            process.kill()
            pytest.fail(f"{process.name} hangs:\n{said[-6000:]}")
        return Run(process.exitcode, said)


def _main(
    words: list[str],
    directory: str,
    environment: dict[str, str],
    typed: str,
    files: list[Connection],
    leads: bool,
) -> None:
    """Run a command in a forked process, which reads ``typed``, and writes to two files: output and errors."""
    if leads:
        os.setsid()
    assert "support.preload" in sys.modules, "the fork server could not import it"
    os.chdir(directory)
    # The process that this one was forked from keeps the variables of its own start.
    os.environ.clear()
    os.environ.update(environment)
    # As Python does with it at its start.
    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    for number, file in enumerate(files, start=1):
        os.dup2(file.fileno(), number)
    sys.argv = words
    sys.stdin = io.StringIO(typed)
    # As in a process that the shell started: this one was forked with another start method for its own children.
    multiprocessing.set_start_method("fork", force=True)
    if words[0] == "axolotl":
        from axolotl.cli.main import main
    elif words[0] == "axolotl-cotmask":
        from axolotl_cotmask.__main__ import main
    else:
        from support.scripted_lm import main
    main()
