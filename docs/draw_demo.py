"""Make ``docs/assets/demo.jpg`` and ``demo-face.jpg``: the page of ``facekp demo``, as Chromium shows it.

    python docs/draw_demo.py [FOLDER]

With a folder it writes there, and PNG pictures of the page in every form too: wide and narrow, light and dark.
Needs ``pip install 'facekp[demo]' playwright`` and a Chromium of the system's (``apt install chromium``).
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from playwright.sync_api import sync_playwright

from facekp import demo

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "astronaut.jpg"
PATIENCE = 300_000


def save(part: Any, path: Path, **options: Any) -> None:
    """What a page or a part of it shows, as JPEG or PNG."""
    data = np.frombuffer(part.screenshot(animations="disabled", **options), np.uint8)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 88] if path.suffix == ".jpg" else []
    cv2.imwrite(str(path), cv2.imdecode(data, cv2.IMREAD_COLOR), quality)


def opened(browser: Any, address: str, width: int, height: int, scheme: str) -> Any:
    """The page with the example's points."""
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.set_input_files("#fk-picture input[type=file]", str(EXAMPLE))
    page.wait_for_selector(".fk-point", state="attached")
    page.wait_for_timeout(1500)  # Gradio's own fading
    return page


def corrected(page: Any) -> None:
    """The face alone, with the map of the nose tip, which was moved."""
    page.click("[data-do=face]")
    page.click("[data-show=boxes]")
    page.click("[data-show=heat]")
    page.locator(".fk-point").nth(30).focus()
    page.wait_for_selector(".fk-heat[visibility=visible]", state="attached")
    for key in ("Shift+ArrowLeft", "ArrowLeft", "ArrowDown"):
        page.keyboard.press(key)


def main(folder: Path, every: bool) -> None:
    chromium = shutil.which("chromium") or sys.exit("there is no Chromium: apt install chromium")
    with demo.serving(demo.Looker(device="cpu"), port=0) as address, sync_playwright() as run:
        sandbox = [] if os.getuid() else ["--no-sandbox"]
        browser = run.chromium.launch(executable_path=chromium, args=sandbox)
        page = opened(browser, address, 1280, 900, "light")
        save(page, folder / "demo.jpg")
        corrected(page)
        save(page.locator("#fk-canvas"), folder / "demo-face.jpg")
        if every:
            page.click(".fk-details summary")
            page.click("#fk-set button")
            page.wait_for_timeout(800)
            save(page, folder / "light-open.png", full_page=True)
            page.close()
            for name, width, scheme in (("dark", 1280, "dark"), ("narrow", 390, "light"), ("narrow-dark", 390, "dark")):
                page = opened(browser, address, width, 900, scheme)
                if name == "narrow-dark":
                    corrected(page)
                save(page, folder / f"{name}.png", full_page=True)
                page.close()
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else ROOT / "docs" / "assets", bool(sys.argv[1:]))
