"""A headless Chromium that is driven as a user drives it: keys and clicks that the page takes for real ones."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

#: DevTools' numbers of keys that have no character.
_KEYS = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Home": 36, "End": 35, "Escape": 27, "Tab": 9,
         "PageDown": 34, "PageUp": 33}  # fmt: skip


class Browser:
    """One window of Chromium, spoken to in the DevTools protocol through a pipe."""

    def __init__(self, directory: Path) -> None:
        """Start it, with its profile below ``directory``; the test is skipped where there is none."""
        program = shutil.which("chromium")
        if program is None:
            pytest.skip("chromium is not installed: the page was not looked at in a browser")
        commands, self._to = os.pipe()
        answers, written = os.pipe()
        self._from = os.fdopen(answers, "rb")
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe"]
        # Chromium reads commands from 3 and writes to 4.
        shell = f'exec "$@" 3<&{commands} 4>&{written}'
        command = ["bash", "-c", shell, "chromium", program, *options, f"--user-data-dir={directory / 'profile'}"]
        with open(directory / "chromium.log", "wb") as log:
            self._process = subprocess.Popen(
                [*command, "about:blank"], pass_fds=(commands, written), stdout=log, stderr=log
            )
        os.close(commands)
        os.close(written)
        self._number = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = next(t for t in self._call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self._session = self._call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._call(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._to)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._from.close()

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _read(self) -> dict[str, Any]:
        text = bytearray()
        while (byte := self._from.read(1)) != b"\0":
            assert byte, "chromium ended"
            text += byte
        return json.loads(text)

    def look(self, width: int = 1280, height: int = 900, scheme: str = "light") -> None:
        """Set the size of the window and the colour scheme; a narrow window is a phone's."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._call("Emulation.setDeviceMetricsOverride", **size)
        self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, page: Path) -> None:
        """Open a page, and wait until it shows its data."""
        self.events.clear()
        self._call("Page.navigate", url=page.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._read())
        self.wait(
            "document.documentElement.dataset.ready || document.querySelector('[role=alert]') || "
            "!document.querySelector('script#data')"
        )

    def value(self, expression: str) -> Any:
        """Return the value of JavaScript, after its promise where it is one."""
        result = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait(self, condition: str) -> None:
        """Wait until an expression holds, for a minute at most."""
        held = f"""(async () => {{ const end = performance.now() + 60000;
            for (;;) {{ if ({condition}) return true; if (performance.now() > end) return false;
                await new Promise((done) => setTimeout(done, 20)); }} }})()"""
        assert self.value(held), condition

    def settle(self) -> None:
        """Wait until the page has drawn what it was told to."""
        self.value("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")

    def click(self, selector: str, number: int = 0) -> None:
        """Click into the middle of an element, which is scrolled to first."""
        found = f"document.querySelectorAll({json.dumps(selector)})[{number}]"
        self.value(f"{found}.scrollIntoView({{block: 'center'}})")
        x, y = self.value(
            f"(() => {{ const r = {found}.getClientRects()[0]; return [r.x + r.width / 2, r.y + r.height / 2]; }})()"
        )
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            button = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
            self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button)
        self.settle()

    def press(self, *keys: str) -> None:
        """Press keys one after the other: characters, or names such as ArrowLeft."""
        for key in keys:
            code = _KEYS.get(key)
            params = {"key": key} | ({"text": key} if code is None else {"windowsVirtualKeyCode": code, "code": key})
            self._call("Input.dispatchKeyEvent", type="keyDown", **params)
            self._call("Input.dispatchKeyEvent", type="keyUp", **{"key": key})
        self.settle()

    def write(self, text: str) -> None:
        """Write into what has the focus."""
        self._call("Input.insertText", text=text)
        self.settle()

    def picture(self, path: Path) -> Path:
        """Save what is seen as a PNG."""
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot")["data"]))
        return path

    @property
    def complaints(self) -> list[dict[str, Any]]:
        """What the page's scripts threw, and what its policy refused, since it was opened."""
        self.settle()
        return [event for event in self.events if event["method"] in ("Runtime.exceptionThrown", "Log.entryAdded")]

    @property
    def requests(self) -> list[str]:
        """What was asked for since the page was opened."""
        self.settle()
        sent = (e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent")
        return list(sent)


def luminance(colour: str) -> float:
    """Return the relative luminance of ``rgb(...)``, as WCAG has it."""
    channels = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, from 1 to 21, as WCAG has it."""
    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)
