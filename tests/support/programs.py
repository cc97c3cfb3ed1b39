"""The environment once more, in which Axolotl's, lm-eval's and our program are forked: for what starts these itself."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import wait
from pathlib import Path

from support.forked import Axolotl

_FORKED = ("axolotl", "axolotl-cotmask", "lm_eval")
#: Tells the server what it was called with, and ends as the forked process does.
_CLIENT = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect("\\0{address}")
    socket.send_fds(server, [b"."], [1, 2])
    server.sendall(json.dumps([sys.argv, os.getcwd(), dict(os.environ)]).encode() + b"\\n")
    sys.exit(int(server.makefile().read() or 1))
"""


class Programs:
    """An environment of links to this one's programs and packages, but for the three that are forked.

    What is started with its ``python`` finds them as it would find the real ones: beside its interpreter, or on the PATH
    that it makes of that. A forked one ends with the program that stands for it, a moment later.
    """

    def __init__(self, directory: Path, axolotl: Axolotl) -> None:
        self._axolotl = axolotl
        # A process that has ended is asked for its status once, while any other that starts looks at all of them.
        self._starts_or_ends = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX)
        address = f"cotmask-{os.getpid()}-{id(self)}"
        # No file: paths of sockets are short.
        self._listener.bind(f"\0{address}")
        self._listener.listen()
        programs = directory / "bin"
        programs.mkdir(parents=True)
        for place in ("lib", "pyvenv.cfg"):
            (directory / place).symlink_to(Path(sys.prefix, place))
        for program in Path(sys.executable).parent.iterdir():
            if program.name not in _FORKED:
                (programs / program.name).symlink_to(program.readlink() if program.is_symlink() else program)
        for name in _FORKED:
            (programs / name).write_text(_CLIENT.format(python=sys.executable, address=address), encoding="utf-8")
            (programs / name).chmod(0o755)
        self.python, self.cotmask, self.lm_eval = (programs / name for name in ("python", "axolotl-cotmask", "lm_eval"))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            client, _ = self._listener.accept()
            threading.Thread(target=self._run, args=(client,), daemon=True).start()

    def _run(self, client: socket.socket) -> None:
        with client, client.makefile() as said:
            _, streams, _, _ = socket.recv_fds(client, 1, 2)
            arguments, directory, variables = json.loads(said.readline())
            with self._starts_or_ends:
                process = self._axolotl.begin([Path(arguments[0]).name, *arguments[1:]], directory, variables, streams)
            for stream in streams:
                os.close(stream)
            if process.sentinel not in wait([process.sentinel, client]):
                process.kill()
                wait([process.sentinel])
            with self._starts_or_ends:
                process.join()
            with suppress(BrokenPipeError):
                client.sendall(str(process.exitcode % 256).encode())
