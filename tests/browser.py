"""Web pages in the system's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def path() -> str | None:
    """The browser's program; None if no browser is installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Seen(NamedTuple):
    """What a page did.

    Args:
        value: value of the JavaScript expression.
        errors: errors and warnings on the console, and uncaught exceptions.
        requests: requested addresses, except the page itself and data addresses.
    """

    value: Any
    errors: list[str]
    requests: list[str]


@contextmanager
def running() -> Iterator[Browser]:
    """A headless browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path(), args=["--no-sandbox"])
        yield browser
        browser.close()


def look(
    browser: Browser,
    page: Path,
    expression: str = "null",
    *,
    width: int = 1280,
    dark: bool = False,
    script: bool = True,
    picture: Path | None = None,
) -> Seen:
    """Opens an HTML file in a new tab.

    Args:
        browser: a running browser.
        page: the HTML file.
        expression: JavaScript, evaluated after the page is loaded; may be a promise.
        width: width of the screen; below 600 it is a phone.
        dark: color scheme of the system.
        script: whether scripts run.
        picture: file for a screenshot of the full page.
    """
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        is_mobile=width < 600,
        color_scheme="dark" if dark else "light",
        java_script_enabled=script,
    )
    errors, requests = [], []
    tab = context.new_page()
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("console", lambda m: errors.append(m.text) if m.type in ("error", "warning") else None)
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto(page.resolve().as_uri())
    value = tab.evaluate(expression)
    if picture:
        tab.screenshot(path=picture, full_page=True)
    context.close()
    own = page.resolve().as_uri()
    return Seen(value, errors, [u for u in requests if u != own and not u.startswith("data:")])
