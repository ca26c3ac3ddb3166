"""Chromium without a window, spoken to over its DevTools: what a page does, and how it looks."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

from tornado.websocket import WebSocketClientConnection, websocket_connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SECONDS = 60


def path() -> str | None:
    """The program; None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Seen(NamedTuple):
    """What a page did.

    Args:
        value: of the JavaScript expression that was asked for.
        errors: messages on the console that are errors or warnings, and uncaught exceptions.
        requests: addresses that were asked for, without the page's own and those of data.
    """

    value: Any
    errors: list[str]
    requests: list[str]


@contextmanager
def running() -> Iterator[int]:
    """A browser; gives the port of its DevTools."""
    program = path()
    assert program is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        flags = ["--headless=new", "--disable-gpu", "--remote-debugging-port=0", "--no-first-run"]
        flags += ["--hide-scrollbars", "--disable-dev-shm-usage", f"--user-data-dir={folder}"]
        if os.geteuid() == 0:
            flags.append("--no-sandbox")  # it refuses to run as root with one
        process = subprocess.Popen([program, *flags], stderr=subprocess.PIPE, text=True)
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if found := re.search(r"DevTools listening on ws://[^:]+:(\d+)/", line):
                    yield int(found[1])
                    break
            else:
                raise RuntimeError(f"{program} ended before it listened")
        finally:
            process.terminate()
            process.wait(SECONDS)


def look(port: int, page: Path, expression: str = "null", **options: Any) -> Seen:
    """Opens a page in a new tab and closes the tab.

    Args:
        port: of a running browser.
        page: an HTML file.
        expression: JavaScript that is evaluated once the page is there; may be a promise.
        options: as of `_look`.
    """
    return asyncio.run(asyncio.wait_for(_look(port, page, expression, **options), SECONDS))


async def _look(
    port: int,
    page: Path,
    expression: str,
    *,
    width: int = 1280,
    dark: bool = False,
    script: bool = True,
    picture: Path | None = None,
) -> Seen:
    """The same.

    Args:
        width: of the screen; below 600 it is a phone's.
        dark: whether the reader's system is dark.
        script: whether the page's scripts run.
        picture: where a picture of the whole page is written.
    """
    base = f"http://127.0.0.1:{port}/json"
    with urlopen(Request(f"{base}/new?about:blank", method="PUT")) as answer:
        tab = json.load(answer)
    socket = await websocket_connect(tab["webSocketDebuggerUrl"], max_message_size=2**28)
    tools = _Tools(socket)
    for domain in ("Page", "Runtime", "Log", "Network"):
        await tools.ask(f"{domain}.enable")
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    await tools.ask("Emulation.setEmulatedMedia", features=[scheme])
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    await tools.ask("Emulation.setDeviceMetricsOverride", **screen)
    await tools.ask("Emulation.setScriptExecutionDisabled", value=not script)
    await tools.ask("Page.navigate", url=page.resolve().as_uri())
    await tools.wait("Page.loadEventFired")
    asked = {"expression": expression, "awaitPromise": True, "returnByValue": True}
    found = await tools.ask("Runtime.evaluate", **asked)
    assert "exceptionDetails" not in found, found["exceptionDetails"]
    value = found["result"].get("value")
    if picture:
        picture.parent.mkdir(parents=True, exist_ok=True)
        shot = await tools.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        picture.write_bytes(base64.b64decode(shot["data"]))
    socket.close()
    with urlopen(f"{base}/close/{tab['id']}"):
        pass
    return Seen(value, *_done(tools.events, page))


class _Tools:
    """A connection: questions by number, and the events that came in between."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self.socket, self.number, self.events = socket, 0, list[dict[str, Any]]()

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        self.number += 1
        question = {"id": self.number, "method": method, "params": params}
        await self.socket.write_message(json.dumps(question))
        while True:
            answer = await self._read()
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]

    async def wait(self, event: str) -> None:
        while not any(one["method"] == event for one in self.events):
            await self._read()

    async def _read(self) -> dict[str, Any]:
        message = await self.socket.read_message()
        assert message is not None, "the browser closed the connection"
        content = json.loads(message)
        if "method" in content:
            self.events.append(content)
        return content


def _done(events: list[dict[str, Any]], page: Path) -> tuple[list[str], list[str]]:
    errors, requests = [], []
    bad = ("error", "warning")
    for event in events:
        params = event["params"]
        if event["method"] == "Runtime.exceptionThrown":
            errors.append(json.dumps(params["exceptionDetails"]))
        elif event["method"] == "Runtime.consoleAPICalled" and params["type"] in bad:
            errors.append(json.dumps(params["args"]))
        elif event["method"] == "Log.entryAdded" and params["entry"]["level"] in bad:
            errors.append(params["entry"]["text"])
        elif event["method"] == "Network.requestWillBeSent":
            requests.append(params["request"]["url"])
    own = page.resolve().as_uri()
    return errors, [url for url in requests if url != own and not url.startswith("data:")]
