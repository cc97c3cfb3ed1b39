"""A chat endpoint of our own: an HTTP server in a thread that answers as it is told, and keeps what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]


class Raw:
    """An answer as it goes over the wire; ``cut`` breaks the connection in the middle of it."""

    def __init__(self, status: int = 200, body: str = "", cut: bool = False, **headers: str) -> None:
        self.status, self.body, self.cut = status, body.encode(), cut
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def reply(text: str | None, finish_reason: str = "stop") -> Raw:
    message = {"role": "assistant", "content": text}
    return Raw(body=json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": finish_reason}]}))


class ChatStub(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answer: Callable[[Body], Raw | str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.asked: list[Body] = []
        self.authorizations: list[str | None] = []
        self.paths: list[str] = []

    def handle_error(self, *_: Any) -> None:
        """Say nothing of a client that did not wait for its answer."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: ChatStub

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(body)
        self.server.paths.append(self.path)
        self.server.authorizations.append(self.headers["Authorization"])
        answer = self.server.answer(body)
        raw = reply(answer) if isinstance(answer, str) else answer
        self.send_response(raw.status)
        for name, value in raw.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw.body)))
        self.end_headers()
        self.wfile.write(raw.body[: len(raw.body) // 2] if raw.cut else raw.body)
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def chat_stub(answer: Callable[[Body], Raw | str]) -> Iterator[ChatStub]:
    """Serve until the block ends. ``answer`` gets the request's body; a text is a model's answer."""
    with ChatStub(answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
