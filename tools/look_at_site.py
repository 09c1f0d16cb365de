"""Look at every page of the built site in a headless browser, wide and narrow, light and dark.

    mkdocs build --strict --site-dir site
    python tools/look_at_site.py site [--shots FOLDER] [--browser /usr/bin/chromium]

Needs playwright (the package; the browser is the system's own).  No page may be wider than the window, no picture may
be missing, and nothing may be written to the browser's console as an error; the search must find "nme".  What is wrong
is printed, one line each, and the exit code is then 1.  ``--shots`` also saves pictures of all pages, whole.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

WIDTHS = (1400, 390)
SCHEMES = ("light", "dark")
PATIENCE = 300_000  # milliseconds: the machine may be busy

# Pictures that wait until they are scrolled to are fetched first.  What is too wide names the widest element outside
# of those that scroll on their own (tables and code).
_CHECK = """async () => {
  const pictures = [...document.images];
  await Promise.all(pictures.map(p => { p.loading = 'eager'; return p.decode().catch(() => null); }));
  const missing = pictures.filter(p => !p.naturalWidth).map(p => p.getAttribute('src'));
  const root = document.scrollingElement, over = root.scrollWidth - root.clientWidth;
  const scrolls = e => { for (; e && e !== document.body; e = e.parentElement)
    if (['auto', 'scroll', 'hidden'].includes(getComputedStyle(e).overflowX)) return true; return false; };
  const wide = over <= 0 ? '' : ([...document.querySelectorAll('article *')]
    .filter(e => e.getBoundingClientRect().right > root.clientWidth + 1 && !scrolls(e.parentElement))
    .map(e => e.outerHTML.slice(0, 80))[0] || 'something');
  return {missing, over, wide};
}"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing of each file."""


@contextmanager
def served(site: Path) -> Iterator[str]:
    """The site over HTTP on this machine, as its search needs it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def pages(site: Path) -> list[str]:
    """Paths of all pages, as their addresses end."""
    found = sorted(path.parent.relative_to(site).as_posix() for path in site.rglob("index.html"))
    return ["" if name == "." else f"{name}/" for name in found]


def problems(page: Any, base: str, name: str, width: int, scheme: str) -> Iterator[str]:
    """Go to a page and say what is wrong with it."""
    page.goto(base + name)
    found = page.evaluate(_CHECK)
    if found["over"] > 0:
        yield f"{name or 'home'}, {width} px, {scheme}: scrolls sideways by {found['over']} px: {found['wide']}"
    for picture in found["missing"]:
        yield f"{name or 'home'}: the picture {picture} is missing"


def search(page: Any, base: str, words: str) -> Iterator[str]:
    """Type into the search, and expect results."""
    page.goto(base)
    page.keyboard.press("/")  # opens and focuses it, at any width
    page.keyboard.type(words)
    try:
        page.wait_for_selector(".md-search-result__item")
    except Exception as error:  # noqa: BLE001  (playwright's own classes are not imported here)
        yield f"the search finds nothing for {words!r} ({str(error).splitlines()[0]})"


def look(site: Path, browser: str, shots: Path | None, only: list[str] | None = None) -> list[str]:
    """All that is wrong with the pages.

    Args:
        site: the built site.
        browser: its program.
        shots: where to save pictures of the pages, or None.
        only: look at these pages only.
    """
    from playwright.sync_api import sync_playwright

    wrong: list[str] = []
    if shots is not None:
        shots.mkdir(parents=True, exist_ok=True)
    with served(site) as base, sync_playwright() as playwright:
        program = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        for scheme, width in itertools.product(SCHEMES, WIDTHS):
            page = _window(program, width, scheme)
            page.on("console", functools.partial(_listen, wrong))
            for name in pages(site) if only is None else only:
                wrong += problems(page, base, name, width, scheme)
                if shots is not None:
                    label = name.strip("/").replace("/", "-") or "home"
                    page.screenshot(path=str(shots / f"{label}-{width}-{scheme}.png"), full_page=True)
            if (scheme, width) == (SCHEMES[0], WIDTHS[0]):
                wrong += search(page, base, "nme")
            page.close()
        program.close()
    return wrong


def _window(program: Any, width: int, scheme: str) -> Any:
    page = program.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce")
    page.set_default_timeout(PATIENCE)
    return page


def _listen(wrong: list[str], message: Any) -> None:
    if message.type == "error":
        wrong.append(f"console: {message.text}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", type=Path)
    parser.add_argument("--shots", type=Path)
    parser.add_argument("--browser", default="/usr/bin/chromium")
    parser.add_argument("--page", action="append", help="only this page; may be repeated")
    given = parser.parse_args()
    wrong = look(given.site, given.browser, given.shots, given.page)
    sys.stdout.write("".join(f"{line}\n" for line in wrong) or "all good\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
