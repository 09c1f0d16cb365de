"""The page as people use it: in Chromium, with a mouse and a keyboard.

Needs ``pip install 'facekp[demo]' playwright`` and a Chromium of the system's (``apt install chromium``).
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facekp.datasets.opening import open_set

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "astronaut.jpg"
CHROMIUM = next((p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))), None)
PATIENCE = 120_000  # milliseconds: a busy machine takes its time

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    pytest.importorskip("gradio", reason="Gradio is not installed: pip install 'facekp[demo]'")
    from facekp import demo

    with demo.serving(demo.Looker(device="cpu"), port=0) as url:
        yield url


@pytest.fixture(scope="module")
def start() -> Iterator[Callable[..., Any]]:
    """Starts a browser, with more words of its command line."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium: apt install chromium")
    with playwright.sync_playwright() as run:
        sandbox = [] if os.getuid() else ["--no-sandbox"]  # which root may not have
        yield lambda *words: run.chromium.launch(executable_path=CHROMIUM, args=[*sandbox, *words])


@pytest.fixture(scope="module")
def page(address: str, start: Callable[..., Any]) -> Iterator[Any]:
    """One page for all tests."""
    browser = start()
    yield opened(browser, address)
    browser.close()


def opened(browser: Any, address: str, width: int = 1280) -> Any:
    """A new page; its ``elsewhere`` lists what it asked of other machines, ``wrong`` its errors."""
    page = browser.new_page(viewport={"width": width, "height": 1000})
    page.set_default_timeout(PATIENCE)
    page.elsewhere, page.wrong = [], []
    page.on(
        "request", lambda r: None if r.url.startswith((address, "data:", "blob:")) else page.elsewhere.append(r.url)
    )
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.goto(address)
    page.wait_for_selector("#fk-canvas .fk", state="attached")
    return page


def give(page: Any, path: Path) -> None:
    """Upload a picture, in place of the last one."""
    clear = page.locator("#fk-picture button[aria-label='Clear'], #fk-picture button[aria-label='Remove Image']")
    if clear.count():
        clear.first.click()
        page.wait_for_selector("#fk-message .fk-told", state="detached")
    page.set_input_files("#fk-picture input[type=file]", str(path))
    page.wait_for_selector("#fk-message .fk-told")


def message(page: Any) -> tuple[str, str]:
    told = page.locator("#fk-message .fk-told")
    return told.get_attribute("data-kind"), told.inner_text()


def download(page: Any, button: str, folder: Path) -> Path:
    with page.expect_download() as waiting:
        page.click(button)
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def points(page: Any, folder: Path) -> np.ndarray:
    record = json.loads(download(page, "#fk-json", folder).read_text())
    return np.array([[np.nan if v is None else v for v in p] for p in record["faces"][0]["keypoints"]])


def scale(page: Any) -> tuple[float, np.ndarray]:
    """Screen pixels in a pixel of the picture, and where the picture's top left corner is; by the layout, not by SVG.

    The whole picture, 512 x 512, lies in the middle of the stage, as large as fits.
    """
    box = page.locator(".fk-stage").bounding_box()
    s = min(box["width"], box["height"]) / 512
    return s, np.array([box["x"] + (box["width"] - 512 * s) / 2, box["y"] + (box["height"] - 512 * s) / 2])


@pytest.fixture
def astronaut(page: Any) -> Any:
    give(page, EXAMPLE)
    assert message(page) == ("good", "1 face in astronaut.jpg (512 x 512).")
    page.wait_for_selector("#fk-json:not([disabled])")
    return page


def test_upload_points_json(astronaut: Any, tmp_path: Path) -> None:
    from facekp import Detector

    assert astronaut.locator(".fk-point").count() == 68
    path = download(astronaut, "#fk-json", tmp_path)
    assert path.name == "astronaut-points.json"
    record = json.loads(path.read_text())
    (face,) = Detector.from_pretrained("resnet18-ibug", device="cpu")(EXAMPLE)
    np.testing.assert_allclose(record["faces"][0]["keypoints"], face.keypoints, atol=2e-3)
    assert "corrected" not in record["faces"][0]
    assert message(astronaut) == ("good", "Saved astronaut-points.json.")


def test_a_drag_moves_a_point_by_what_the_mouse_moved(astronaut: Any, tmp_path: Path) -> None:
    before = points(astronaut, tmp_path)
    s, corner = scale(astronaut)
    # Pixel x's centre is x + 1/2 pixels from the edge.
    spot = np.round(corner + (before[8] + 0.5) * s)
    mouse = astronaut.mouse
    mouse.move(*spot)
    mouse.down()
    mouse.move(*(spot + [10, -4]))
    mouse.move(*(spot + [30, -12]))
    mouse.up()
    after = points(astronaut, tmp_path)
    np.testing.assert_allclose(after[8], before[8] + np.array([30, -12]) / s, atol=0.05)
    np.testing.assert_array_equal(np.delete(after, 8, 0), np.delete(before, 8, 0))
    record = json.loads((tmp_path / "astronaut-points.json").read_text())
    assert record["faces"][0]["corrected"] == [8]
    # The dot is drawn under the mouse, where it was taken.
    box = astronaut.locator(".fk-point").nth(8).bounding_box()
    centre = np.array([box["x"] + box["width"] / 2, box["y"] + box["height"] / 2])
    np.testing.assert_allclose(centre, corner + (after[8] + 0.5) * s, atol=1.0)


def test_a_drag_under_zoom(astronaut: Any, tmp_path: Path) -> None:
    before = points(astronaut, tmp_path)
    astronaut.click("[data-do=face]")
    # The box and 18 % of its longer side all around it, in the middle of the stage.
    box = json.loads((tmp_path / "astronaut-points.json").read_text())["faces"][0]["box"]
    width, height = box[2] - box[0], box[3] - box[1]
    more = 0.36 * max(width, height)
    stage = astronaut.locator(".fk-stage").bounding_box()
    s = min(stage["width"] / (width + more), stage["height"] / (height + more))
    middle = np.array([stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2])
    spot = np.round(middle + (before[30] - [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]) * s)
    astronaut.mouse.move(*spot)
    astronaut.mouse.down()
    astronaut.mouse.move(*(spot + [-21, 7]), steps=3)
    astronaut.mouse.up()
    after = points(astronaut, tmp_path)
    np.testing.assert_allclose(after[30], before[30] + np.array([-21, 7]) / s, atol=0.05)
    astronaut.click("[data-do=fit]")


def test_keys(astronaut: Any, tmp_path: Path) -> None:
    before = points(astronaut, tmp_path)
    astronaut.locator(".fk-point").nth(30).focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowUp", "Shift+ArrowDown"):
        astronaut.keyboard.press(key)
    assert "nose_tip" in astronaut.locator(".fk-status").inner_text()
    assert "moved by you" in astronaut.locator(".fk-status").inner_text()
    astronaut.keyboard.press("Tab")
    astronaut.keyboard.press("Delete")
    after = points(astronaut, tmp_path)
    np.testing.assert_allclose(after[30], before[30] + [0.75, 1.75], atol=2e-3)  # JSON has three decimals
    assert np.isnan(after[31]).all()
    assert "missing" in astronaut.locator(".fk-status").inner_text()
    astronaut.locator(".fk-point").nth(31).focus()
    astronaut.keyboard.press("Control+z")  # there again
    astronaut.keyboard.press("Control+z")  # all five steps of the nose tip, which were one after another
    np.testing.assert_array_equal(points(astronaut, tmp_path), before)
    assert astronaut.locator("[data-do=undo]").is_disabled()
    astronaut.locator(".fk-point").nth(31).focus()
    astronaut.keyboard.press("Escape")
    assert astronaut.evaluate("document.activeElement.dataset.do") == "missing"


def test_reset(astronaut: Any, tmp_path: Path) -> None:
    before = points(astronaut, tmp_path)
    for i in (3, 40):
        astronaut.locator(".fk-point").nth(i).focus()
        astronaut.keyboard.press("ArrowLeft")
    astronaut.click("[data-do=reset]")
    np.testing.assert_array_equal(points(astronaut, tmp_path), before)
    astronaut.click("[data-do=undo]")
    assert np.flatnonzero((points(astronaut, tmp_path) != before).any(1)).tolist() == [3, 40]


def test_groups_numbers_and_the_drawing(astronaut: Any, tmp_path: Path) -> None:
    shown = ".fk-point[visibility=visible]"
    astronaut.click("[data-group=jaw]")
    assert astronaut.locator(shown).count() == 68 - 17
    assert astronaut.locator("[data-group=jaw]").get_attribute("aria-pressed") == "false"
    astronaut.click("[data-show=numbers]")
    assert astronaut.locator(".fk-number[visibility=visible]").count() == 68 - 17
    drawn = cv2.imread(str(download(astronaut, "#fk-png", tmp_path)))
    changed = (drawn != cv2.imread(str(EXAMPLE))).any(-1)
    assert changed.sum() > 200
    astronaut.click("[data-show=numbers]")
    astronaut.click("[data-group=jaw]")
    assert astronaut.locator(shown).count() == 68


def test_the_table_and_csv(astronaut: Any, tmp_path: Path) -> None:
    astronaut.click(".fk-details summary")
    assert astronaut.locator("tr[data-point]").count() == 68
    astronaut.click("tr[data-point='30']")
    assert "nose_tip" in astronaut.locator(".fk-status").inner_text()
    rows = list(csv.DictReader(download(astronaut, "#fk-csv", tmp_path).open()))
    assert rows[30]["name"] == "nose_tip"
    assert astronaut.locator("tr[data-point='30'] td").nth(4).inner_text() == f"{float(rows[30]['score']):.2f}"
    astronaut.click(".fk-details summary")


def test_a_heatmap(astronaut: Any, tmp_path: Path) -> None:
    place = points(astronaut, tmp_path)[30]
    astronaut.locator(".fk-point").nth(30).focus()
    astronaut.click("[data-show=heat]")
    astronaut.wait_for_selector(".fk-heat[visibility=visible]", state="attached")
    box = astronaut.locator(".fk-heat").bounding_box()
    s, corner = scale(astronaut)
    spot = corner + (place + 0.5) * s
    assert box["x"] < spot[0] < box["x"] + box["width"]
    assert box["y"] < spot[1] < box["y"] + box["height"]
    astronaut.click("[data-show=heat]")


@pytest.mark.parametrize("kind", ["coco", "pts", "folder"])
def test_a_corrected_point_goes_into_a_data_set(astronaut: Any, tmp_path: Path, kind: str) -> None:
    before = points(astronaut, tmp_path)
    astronaut.locator(".fk-point").nth(30).focus()
    astronaut.keyboard.press("ArrowRight")
    if not astronaut.locator("#fk-add").is_visible():
        astronaut.click("#fk-set button")
    astronaut.click("#fk-add")
    astronaut.wait_for_selector("text=1 face in 1 picture.")
    astronaut.click("#fk-format input")
    astronaut.click(f"ul[role=listbox] [aria-label^='{kind}:']")
    with zipfile.ZipFile(download(astronaut, "#fk-save-set", tmp_path)) as archive:
        archive.extractall(tmp_path)
    root = tmp_path / "faces"
    (sample,) = open_set(root / "faces.json" if kind == "coco" else root, kind).samples
    np.testing.assert_allclose(sample.keypoints[30], before[30] + [0.25, 0], atol=2e-3)
    np.testing.assert_allclose(sample.keypoints[29], before[29], atol=2e-3)
    astronaut.click("#fk-empty-set")
    astronaut.wait_for_selector("text=The set is empty:")


def test_broken_files_and_no_face_are_sentences(page: Any, tmp_path: Path) -> None:
    broken, cut, empty = (tmp_path / name for name in ("broken.jpg", "cut.jpg", "plain.png"))
    broken.write_bytes(b"this is no picture")
    cut.write_bytes(EXAMPLE.read_bytes()[:400])
    cv2.imwrite(str(empty), np.full((120, 160, 3), 128, np.uint8))
    for path, says in ((broken, "broken.jpg: is not a picture"), (cut, "cut.jpg: "), (empty, "No face was found in")):
        give(page, path)
        kind, text = message(page)
        assert kind == "wrong"
        assert says in text
        assert "Traceback" not in page.content()
        assert str(Path.home()) not in text
        assert page.locator("#fk-json").is_disabled()
        assert page.locator(".fk-point").count() == 0


def test_a_webcams_picture_is_no_mirror_image(address: str, start: Callable[..., Any], tmp_path: Path) -> None:
    from facekp import Detector

    image = cv2.imread(str(EXAMPLE))
    height, width = image.shape[:2]
    film = tmp_path / "camera.y4m"
    frame = b"FRAME\n" + cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420).tobytes()
    film.write_bytes(f"YUV4MPEG2 W{width} H{height} F10:1 Ip A1:1 C420jpeg\n".encode() + 5 * frame)
    words = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    browser = start(*words, f"--use-file-for-fake-video-capture={film}")
    try:
        page = opened(browser, address)
        page.click("#fk-picture [aria-label='Capture from camera']")
        page.click("#fk-picture button:has-text('Access Webcam')")
        page.wait_for_function("(document.querySelector('#fk-picture video') || {}).videoWidth > 0")
        page.click("#fk-picture [aria-label='capture photo']")
        page.wait_for_selector("#fk-json:not([disabled])")
        seen = points(page, tmp_path)
        assert page.elsewhere == []
    finally:
        browser.close()
    (face,) = Detector.from_pretrained("resnet18-ibug", device="cpu")(EXAMPLE)
    # Colours went by way of YUV; in a mirror image the face lies on the other side, some 70 pixels away.
    np.testing.assert_allclose(seen, face.keypoints, atol=1)


def test_a_wide_picture_has_room_on_a_narrow_screen(address: str, start: Callable[..., Any], tmp_path: Path) -> None:
    wide = cv2.copyMakeBorder(cv2.imread(str(EXAMPLE)), 0, 0, 300, 400, cv2.BORDER_REPLICATE)
    cv2.imwrite(str(tmp_path / "wide.png"), wide)
    browser = start()
    try:
        page = opened(browser, address, width=390)
        give(page, tmp_path / "wide.png")
        page.wait_for_selector(".fk-point")
        stage = page.locator(".fk-stage").bounding_box()
        assert stage["height"] > 350
        assert stage["width"] <= 390
        page.click("[data-do=face]")
        page.click("[data-show=numbers]")
        (x0, y0), (x1, y1) = (
            (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            for box in (page.locator(".fk-point").nth(i).bounding_box() for i in (0, 16))
        )
        assert np.hypot(x1 - x0, y1 - y0) > 0.6 * stage["width"]  # from one end of the jaw to the other
        page.screenshot(path=str(tmp_path / "narrow.png"), full_page=True)
    finally:
        browser.close()


def test_at_the_end_nothing_was_asked_of_other_machines(page: Any) -> None:
    assert page.elsewhere == []
    assert page.wrong == []
