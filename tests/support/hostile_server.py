"""A server on this machine that answers with any bytes, and what the answers are made of."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Headers = dict[str, str]
#: Returns the bytes that answer a request, after which the connection ends; gets the path and the headers.
Answer = Callable[[str, Headers], bytes]


def rows(count: int = 300, add: int = 0) -> bytes:
    """A file of the data set `rft_u33`; with another ``add`` another version of the same size."""
    lines = ({"query": f"{n} + {n}?", "response": f"#### {(2 * n + add) % 1000:03}"} for n in range(count))
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def reply(status: str, body: bytes = b"", /, **headers: str | int | None) -> bytes:
    """Return an answer; underscores in the names of headers stand for hyphens, and None leaves one out."""
    lines = {"Content-Length": str(len(body))} | {k.replace("_", "-"): v for k, v in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


@dataclass
class HostileServer:
    """Answers by ``answer``; ``asked`` holds the headers of each request."""

    url: str
    answer: Answer = lambda path, headers: reply("404 Not Found")
    asked: list[Headers] = field(default_factory=list)


@contextmanager
def hostile_server() -> Iterator[HostileServer]:
    """Yield a server in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = HostileServer(f"http://127.0.0.1:{listening.getsockname()[1]}")
        thread = threading.Thread(target=_serve, args=(server, listening))
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(server: HostileServer, listening: socket.socket) -> None:
    # Ends when the socket is shut.
    with contextlib.suppress(OSError):
        while True:
            connection = listening.accept()[0]
            # Whoever hangs up early is none of its business.
            with connection, contextlib.suppress(OSError), connection.makefile("rb") as lines:
                path = lines.readline().split()[1].decode()
                headers = {}
                while (line := lines.readline().decode("latin-1").strip()) != "":
                    name, _, value = line.partition(": ")
                    headers[name] = value
                server.asked.append(headers)
                connection.sendall(server.answer(path, headers))
