"""A real browser for the report; `python tests/browser.py REPORT FOLDER` takes a picture of each of its pages."""

import io
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

NAMES = ("chromium", "chromium-browser", "google-chrome")
PAGES = ("overview", "leaderboards", "curves", "sequences", "training", "tables", "figures", "provenance")
SIZE = {"width": 1280, "height": 860}


@contextmanager
def chromium() -> Iterator[Any]:
    """Headless Chromium of the system; the test is skipped where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no browser: install one of {', '.join(NAMES)}")
    # Chromium's sandbox refuses to work for root, as in a container.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=arguments, timeout=120_000)
        yield browser
        browser.close()


def pictures(report: Path, folder: Path) -> list[Path]:
    """A picture of every page, of the player and of a dark page; in few colours, to be small."""
    written = []
    with chromium() as browser:
        page = browser.new_page(viewport=SIZE)

        def take(name: str) -> None:
            page.wait_for_timeout(400)
            image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            path = folder / f"report-{name}.png"
            image.quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)
            written.append(path)

        for name in PAGES:
            page.goto(f"{report.resolve().as_uri()}#{name}")
            take(name)
        page.goto(f"{report.resolve().as_uri()}#sequences")
        page.locator("#sequences-table button", has_text="strip").first.click()
        for _ in range(3):
            page.click("#player-on")
        take("player")
        page.click("#player-close")
        page.click("#theme")
        page.goto(f"{report.resolve().as_uri()}#leaderboards")
        take("dark")
    return written


if __name__ == "__main__":
    print(*pictures(Path(sys.argv[1]), Path(sys.argv[2])), sep="\n")
