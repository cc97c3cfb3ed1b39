"""One client for chat endpoints that speak OpenAI's protocol, such as OpenAI's, vLLM's or llama.cpp's.

One request, one answer: endpoints differ in whether they honour ``n``.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import parse_json

if TYPE_CHECKING:
    import requests

#: The environment variable with the key of the endpoint; it is sent there, and stands nowhere else.
KEY_VARIABLE = "OPENAI_API_KEY"

_PATH = "/chat/completions"
_CONNECT_SECONDS = 10.0
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 60.0  # seconds
_SHOWN = 200  # characters of what an endpoint says in an error
_READ = 2000  # bytes that they are taken from

Message = Mapping[str, str]


class NoReplyError(Exception):
    """Why a request has no answer; the text is a part of a sentence."""


@dataclass(frozen=True)
class Reply:
    """The answer of a model, and why it ended there: ``length`` where it was cut off; None where that is not told."""

    text: str
    finish_reason: str | None


@dataclass(frozen=True)
class Endpoint:
    """A model behind ``url``, which ends in ``/v1`` as a rule.

    ``settings`` go into the request as they are, such as ``temperature`` and ``max_tokens``; ``timeout`` is how many
    seconds may pass without a byte. A request that is refused for now, or gets no answer, is made up to ``retries``
    times more, each time after a longer wait or the one that the endpoint asks for, of a minute at most.

    Raises:
        CoTMaskError: the URL is none, or holds a password or a query, which would be shown in errors; or the key is
            no key.
    """

    url: str
    model: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    timeout: float = 300.0
    retries: int = 5

    def __post_init__(self) -> None:
        """Check what would fail at every request."""
        try:
            parts = urlsplit(self.url)
            # No white space or sign that has no look.
            is_text = self.url.isprintable() and " " not in self.url
            is_url = is_text and parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            is_url = False
        if not is_url:
            raise CoTMaskError(f"{self.url!r} is no address of an endpoint: give one such as http://localhost:8000/v1")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise CoTMaskError(
                f"the address of {parts.hostname} holds more than host and path: give it up to /v1, and the key in the "
                f"environment variable {KEY_VARIABLE}"
            )
        _key()

    def complete(self, messages: Sequence[Message]) -> Reply:
        """Return the model's answer to ``messages``, which have a ``role`` and a ``content``.

        Raises:
            NoReplyError: there is none after the last try, or what came is no answer.
        """
        import requests
        from urllib3.exceptions import HTTPError

        body = {**self.settings, "model": self.model, "messages": list(messages)}
        url = self.url.rstrip("/").removesuffix(_PATH) + _PATH
        for attempt in range(self.retries + 1):
            response = None
            try:
                # A redirected POST would become a GET.
                response = requests.post(
                    url,
                    json=body,
                    auth=_authorise,
                    timeout=(_CONNECT_SECONDS, self.timeout),
                    allow_redirects=False,
                )
                if response.status_code not in (408, 429) and response.status_code < 500:
                    return _reply(response)
                reason = _refusal(response)
            except requests.Timeout:
                reason = "no answer in time"
            except (requests.RequestException, HTTPError, OSError) as error:
                reason = _innermost(error)
            if attempt < self.retries:
                time.sleep(_wait(attempt, response))
        raise NoReplyError(reason + (f", after {self.retries + 1} tries" if self.retries else ""))


def _key() -> str:
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise CoTMaskError(f"{KEY_VARIABLE} holds characters that no key has: set it to the key alone, or unset it")
    return key


def _authorise(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Add the key, if there is one; also without one this keeps those in ``.netrc`` away."""
    if key := _key():
        request.headers["Authorization"] = f"Bearer {key}"
    return request


def _reply(response: requests.Response) -> Reply:
    if response.status_code != 200:
        raise NoReplyError(_refusal(response))
    try:
        content = parse_json(response.content)
    except ValueError:
        raise NoReplyError(f"what came is no JSON: {_shown(_text(response))}") from None
    match content:
        case {"choices": [{"message": {"content": str() as text}} as choice, *_]}:
            reason = choice.get("finish_reason")
            return Reply(text, reason if isinstance(reason, str) else None)
        case {"choices": []}:
            raise NoReplyError("the answer holds no choices")
        case {"choices": [{"message": {"content": None}}, *_]}:
            raise NoReplyError("the answer holds no text")
    raise NoReplyError(f"what came is no answer of a chat endpoint: {_shown(_text(response))}")


def _refusal(response: requests.Response) -> str:
    """Return the status, and what the endpoint says about it."""
    said = response.headers.get("Location") or _text(response)
    try:
        content = parse_json(response.content)
    except ValueError:
        content = None
    match content:
        case {"error": {"message": str() as message}} | {"error": str() as message} | {"message": str() as message}:
            said = message
    return f"HTTP {response.status_code}" + (f": {_shown(said)}" if said.strip() else "")


def _text(response: requests.Response) -> str:
    return response.content[:_READ].decode(errors="replace")


def _shown(text: str) -> str:
    """Return the beginning of a text in one line, without the key if the endpoint sends that back."""
    key = _key()
    if key:
        text = text.replace(key, f"${KEY_VARIABLE}")
    # Nor what would move a terminal's cursor.
    line = "".join(sign if sign.isprintable() else "\ufffd" for sign in " ".join(text.split()))
    return line if len(line) <= _SHOWN else line[:_SHOWN] + "…"


def _innermost(error: BaseException) -> str:
    """Return the reason at the root of a chain of errors, such as ``Connection refused``."""
    reasons: list[BaseException] = [error]
    while (cause := reasons[-1].__cause__ or reasons[-1].__context__) is not None and cause not in reasons:
        reasons.append(cause)
    told = (getattr(reason, "strerror", None) for reason in reversed(reasons))
    return next(filter(None, told), _shown(str(error)))


def _wait(attempt: int, response: requests.Response | None) -> float:
    """Return the seconds until the next try: what the endpoint asks for, else twice as long each time, and a bit."""
    from urllib3 import Retry
    from urllib3.exceptions import HTTPError

    wait = _FIRST_WAIT * 2**attempt * random.uniform(1, 1.5)
    if response is not None and "Retry-After" in response.headers:
        with suppress(HTTPError, ValueError, OverflowError):
            wait = Retry().parse_retry_after(response.headers["Retry-After"])
    return min(wait, _LONGEST_WAIT)
