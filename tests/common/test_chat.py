"""The client of chat endpoints, against an HTTP server of our own: what it asks, what it bears, what it keeps."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.chat_stub import Body, ChatStub, Raw, chat_stub, reply
from support.signals import hear_interrupts

from axolotl_cotmask.common import chat
from axolotl_cotmask.common.chat import Endpoint, NoReplyError
from axolotl_cotmask.common.chat_answers import ChatQuestion, ask_all
from axolotl_cotmask.common.errors import CoTMaskError

MESSAGES = [{"role": "user", "content": "What is 2 + 3?"}]
KEY = "sk-a-secret-of-many-letters"


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "_FIRST_WAIT", 0.001)


def asked(stub: ChatStub, path: Path, *texts: str, retries: int = 0, at_once: int = 1, **settings: Any) -> list[str]:
    questions = [ChatQuestion([{"role": "user", "content": text}]) for text in texts]
    rows = ask_all(Endpoint(stub.url, "m", settings, retries=retries), questions, path, at_once=at_once)
    return [row["answer"] for row in rows]


def echo(body: Body) -> str:
    text: str = body["messages"][-1]["content"]
    return text.upper()


def test_the_request_and_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\n")
    with chat_stub(lambda _: reply("5", "length")) as stub:
        got = Endpoint(stub.url + "/", "m", {"temperature": 0.5}).complete(MESSAGES)
        again = Endpoint(stub.url + "/chat/completions", "m").complete(MESSAGES)
    assert (got.text, got.finish_reason) == ("5", "length")
    assert again == got
    assert stub.asked[0] == {"model": "m", "messages": MESSAGES, "temperature": 0.5}
    assert stub.paths == ["/v1/chat/completions"] * 2
    assert stub.authorizations[0] == f"Bearer {KEY}"


def test_without_a_key_none_is_sent_from_netrc_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with chat_stub(echo) as stub:
        Endpoint(stub.url, "m").complete(MESSAGES)
    assert stub.authorizations == [None]


@pytest.mark.parametrize(
    ("first", "tries"),
    [
        (Raw(429, "slow down", Retry_After="0"), 2),
        (Raw(429, "slow down", Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"), 2),
        (Raw(429, "slow down", Retry_After="soon"), 2),
        (Raw(500, ""), 2),
        (Raw(503, "<html>Bad gateway</html>"), 2),
        (Raw(529, "overloaded"), 2),
        (Raw(408, ""), 2),
        (Raw(200, '{"choices": [{"message": {"content": "5"}}]}', cut=True), 2),
    ],
)
def test_what_is_refused_for_now_is_asked_again(first: Raw, tries: int) -> None:
    answers = iter([first, "5"])
    with chat_stub(lambda _: next(answers)) as stub:
        assert Endpoint(stub.url, "m", retries=1).complete(MESSAGES).text == "5"
        assert len(stub.asked) == tries


def test_the_wait_is_what_the_endpoint_asks_for_and_a_minute_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(chat.time, "sleep", waits.append)
    monkeypatch.setattr(chat, "_FIRST_WAIT", 1.0)
    asks = iter(["7", "99999999", "9" * 400, None, None])

    def answer(_: Body) -> Raw:
        value = next(asks, None)
        return Raw(429, "", **({} if value is None else {"Retry_After": value}))

    with chat_stub(answer) as stub, pytest.raises(NoReplyError, match="HTTP 429, after 6 tries"):
        Endpoint(stub.url, "m", retries=5).complete(MESSAGES)
    assert waits[0] == 7
    assert waits[1] == waits[2] == 60
    assert 8 <= waits[3] <= 12 < 16 <= waits[4] <= 24, "doubled each time, and up to half of it more"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Raw(200, "<!DOCTYPE html><html>Sign in</html>"), "is no JSON: <!DOCTYPE html><html>Sign in</html>"),
        (Raw(200, '{"choices": [{"mess'), 'is no JSON: {"choices": [{"mess'),
        (Raw(200, "[" * 100_000), "is no JSON: [["),
        (Raw(200, ""), "is no JSON"),
        (Raw(200, "\udcff".encode("utf-8", "surrogateescape").decode("latin-1")), "is no JSON"),
        (Raw(200, '{"choices": []}'), "holds no choices"),
        (Raw(200, "[]"), "no answer of a chat endpoint: []"),
        (Raw(200, "null"), "no answer of a chat endpoint"),
        (Raw(200, '{"choices": null}'), "no answer of a chat endpoint"),
        (Raw(200, '{"choices": [{"message": null}]}'), "no answer of a chat endpoint"),
        (Raw(200, '{"choices": [{"text": "5"}]}'), "no answer of a chat endpoint"),
        (Raw(200, '{"error": {"message": "no"}}'), "no answer of a chat endpoint"),
        (reply(None), "holds no text"),
        (Raw(400, '{"error": {"message": "too long\\nby far"}}'), "HTTP 400: too long by far"),
        (Raw(400, '{"error": "no such model"}'), "HTTP 400: no such model"),
        (Raw(422, '{"message": "n"}'), "HTTP 422: n"),
        (Raw(404, "<html>" + "x" * 900), "HTTP 404: <html>xxx"),
        (Raw(401, ""), "HTTP 401"),
        (Raw(302, "", Location="http://elsewhere/"), "HTTP 302: http://elsewhere/"),
    ],
)
def test_what_is_no_answer_is_told_and_not_asked_again(answer: Raw, said: str) -> None:
    with chat_stub(lambda _: answer) as stub:
        with pytest.raises(NoReplyError) as raised:
            Endpoint(stub.url, "m", retries=3).complete(MESSAGES)
        assert len(stub.asked) == 1
    assert said in str(raised.value)
    assert len(str(raised.value)) < 300
    assert "\n" not in str(raised.value)


def test_an_endpoint_that_is_down() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(NoReplyError, match=r"^Connection refused, after 3 tries$"):
        Endpoint(url, "m", retries=2).complete(MESSAGES)


@pytest.mark.parametrize("host", ["a..b", "no.such.host.invalid", "x" * 70 + ".org", "127.0.0.1:0"])
def test_a_host_that_cannot_be_had(host: str) -> None:
    with pytest.raises(NoReplyError):
        Endpoint(f"http://{host}/v1", "m", retries=0).complete(MESSAGES)


def test_what_an_endpoint_says_moves_no_cursor() -> None:
    with chat_stub(lambda _: Raw(400, "\x1b[2J\x00gone")) as stub, pytest.raises(NoReplyError) as raised:
        Endpoint(stub.url, "m").complete(MESSAGES)
    assert str(raised.value) == "HTTP 400: \ufffd[2J\ufffdgone"


def test_an_endpoint_that_is_slow() -> None:
    late = threading.Event()
    with chat_stub(lambda _: "5" if late.wait(20) else "") as stub:
        with pytest.raises(NoReplyError, match=r"^no answer in time, after 2 tries$"):
            Endpoint(stub.url, "m", timeout=0.05, retries=1).complete(MESSAGES)
        late.set()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8000",
        "ftp://x/v1",
        "http://",
        "http://[",
        "http://x:99999/v1",
        "http://x:port/v1",
        "/v1",
        "http://a b/v1",
        "http://a\n/v1",
        "http://a/\x1b[2J",
    ],
)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(CoTMaskError, match="give one such as http://localhost:8000/v1"):
        Endpoint(url, "m")


@pytest.mark.parametrize("url", [f"https://me:{KEY}@x.org/v1", f"https://x.org/v1?key={KEY}", f"https://x/v1#{KEY}"])
def test_a_secret_in_the_address_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(CoTMaskError, match="OPENAI_API_KEY") as raised:
        Endpoint(url, "m")
    assert KEY not in str(raised.value)


@pytest.mark.parametrize("key", ["a b", "a\nb", "clé", "a\x00"])
def test_a_key_that_is_none_is_refused_and_not_shown(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ, "OPENAI_API_KEY": key})
    with pytest.raises(CoTMaskError, match="OPENAI_API_KEY holds") as raised:
        Endpoint("http://x/v1", "m")
    assert key not in str(raised.value)


def test_an_endpoint_that_sends_the_key_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    path = tmp_path / "answers.jsonl"
    with chat_stub(lambda _: Raw(401, f"wrong key {KEY}")) as stub, pytest.raises(CoTMaskError) as raised:
        asked(stub, path, "a")
    assert "wrong key $OPENAI_API_KEY" in str(raised.value)
    assert KEY not in str(raised.value) + path.read_text()


def test_answers_are_kept_and_only_what_is_missing_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with chat_stub(echo) as stub:
        assert asked(stub, path, "a", "b") == ["A", "B"]
        assert asked(stub, path, "c", "b", "a") == ["C", "B", "A"]
        assert [body["messages"][0]["content"] for body in stub.asked] == ["a", "b", "c"]
        asked(stub, path, "a", temperature=1)
        assert len(stub.asked) == 4, "another setting is another question"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["answer"] for row in rows] == ["A", "B", "C", "A"]
    assert rows[3]["settings"] == {"temperature": 1}


def test_samples_of_the_same_question_are_answers_of_their_own(tmp_path: Path) -> None:
    path, count = tmp_path / "answers.jsonl", iter(range(9))

    def ask(samples: int) -> list[str]:
        questions = [ChatQuestion(MESSAGES, sample, {"id": 7}) for sample in range(samples)]
        return [row["answer"] for row in ask_all(Endpoint(stub.url, "m"), questions, path)]

    with chat_stub(lambda _: str(next(count))) as stub:
        assert ask(2) == ["0", "1"]
        assert ask(4) == ["0", "1", "2", "3"]
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == [7] * 4


def test_many_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    texts = [f"q{number} é\udcff\n" for number in range(60)]
    with chat_stub(echo) as stub:
        assert asked(stub, path, *texts, at_once=8) == [text.upper() for text in texts]
        assert len(stub.asked) == 60
    assert len({json.loads(line)["key"] for line in path.read_text().splitlines()}) == 60


def test_one_that_gets_no_answer_costs_no_other(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    poison = {"b", "d"}
    with chat_stub(lambda body: Raw(400, "bad") if echo(body).lower() in poison else echo(body)) as stub:
        with pytest.raises(CoTMaskError, match=r"2 of 5 answers did not come \(HTTP 400: bad\)"):
            asked(stub, path, *"abcde")
        assert len(path.read_text().splitlines()) == 3
        poison.clear()
        assert asked(stub, path, *"abcde") == list("ABCDE")
        assert Counter(echo(body) for body in stub.asked) == Counter("ABCDEBD")


def test_many_failures_that_are_not_in_a_row_do_not_end_it(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with (
        chat_stub(lambda body: Raw(400, "odd") if int(echo(body)) % 2 else echo(body)) as stub,
        pytest.raises(CoTMaskError, match="10 of 20 answers did not come"),
    ):
        asked(stub, path, *map(str, range(20)))
    assert len(path.read_text().splitlines()) == 10


def test_an_endpoint_that_fails_always_is_not_asked_to_the_end(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with chat_stub(lambda _: Raw(401, "who are you")) as stub:
        with pytest.raises(CoTMaskError, match="100 of 100 answers did not come"):
            asked(stub, path, *map(str, range(100)))
        assert len(stub.asked) < 12
    assert path.read_text() == ""


@pytest.mark.parametrize(
    "end", [b'{"key": "0123', b'{"key": "01", "answer": "x"}', b'{"ke', b'{"key": "01", "answer": "\xc3']
)
def test_what_a_killed_process_left_of_a_line(tmp_path: Path, end: bytes) -> None:
    path = tmp_path / "answers.jsonl"
    with chat_stub(echo) as stub:
        asked(stub, path, "a")
        whole = path.read_bytes()
        for content in (whole + end, end):
            path.write_bytes(content)
            assert asked(stub, path, "a", "b") == ["A", "B"]
            assert all(json.loads(line) for line in path.read_text().splitlines())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"question": "a", "answer": "b"}\n', "something else"),
        (b"notes of mine", "something else"),
        (b'{"key": "1", "answer": 5}\n', "line 1: is no answer"),
        (b'{"key": "1"}\n', "line 1: the field 'answer' is missing"),
        (b'{"key": "1", "answer": "x"}\n{broken\n{"key": "2", "answer": "x"}\n', "line 2: not a complete"),
    ],
)
def test_a_file_of_something_else_is_left_as_it_is(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(content)
    with chat_stub(echo) as stub:
        with pytest.raises(CoTMaskError, match=said):
            asked(stub, path, "a")
        assert stub.asked == []
    assert path.read_bytes() == content


def test_two_processes_do_not_write_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with path.open("wb") as held, chat_stub(echo) as stub:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(CoTMaskError, match="another process"):
            asked(stub, path, "a")


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with chat_stub(echo) as stub:
        for place in (tmp_path, tmp_path / "none" / "x.jsonl", Path("/dev/null")):
            with pytest.raises(CoTMaskError, match="name"):
                asked(stub, place, "a")


def test_a_full_disk_costs_the_last_answer_only(tmp_path: Path) -> None:
    path, limits = tmp_path / "answers.jsonl", resource.getrlimit(resource.RLIMIT_FSIZE)
    with chat_stub(echo) as stub:
        asked(stub, path, "a")
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, limits[1]))
        try:
            with pytest.raises(CoTMaskError, match=r"cannot be written \(File too large\)"):
                asked(stub, path, "a", "b")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert asked(stub, path, "a", "b") == ["A", "B"]
        assert len(stub.asked) == 3


INTERRUPTED = """
import sys
from pathlib import Path
from axolotl_cotmask.common.chat import Endpoint
from axolotl_cotmask.common.chat_answers import ChatQuestion, ask_all
questions = [ChatQuestion([{"role": "user", "content": str(number)}]) for number in range(6)]
try:
    ask_all(Endpoint(sys.argv[1], "m"), questions, Path(sys.argv[2]), at_once=2)
except KeyboardInterrupt:
    sys.exit("Aborted!")
"""


def test_ctrl_c_ends_it_at_once_and_keeps_what_came(tmp_path: Path) -> None:
    path, hangs = tmp_path / "answers.jsonl", threading.Event()

    def answer(body: Body) -> str:
        if int(body["messages"][0]["content"]) >= 3:
            hangs.wait(60)
        return "x"

    with chat_stub(answer) as stub:
        command = [sys.executable, "-c", INTERRUPTED, stub.url, str(path)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=hear_interrupts)
        deadline = time.monotonic() + 60
        while not (path.exists() and path.read_text().count("\n") == 3) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=30)
        hangs.set()
        assert error == "Aborted!\n"
        assert path.read_text().count("\n") == 3
        assert asked(stub, path, *map(str, range(6))) == ["x"] * 6
