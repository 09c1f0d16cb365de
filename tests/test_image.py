"""facekp.image: smoke, wrong input, shapes, values worked out by hand, properties, and a fuzz of damaged files."""

from __future__ import annotations

import io
import os
import random
import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from facekp import _imageheader as headers
from facekp import image
from facekp.errors import ArgumentError, FacekpError, ImageError

HAS_GIF = cv2.haveImageWriter("x.gif")
HAS_AVIF = cv2.haveImageWriter("x.avif")
HAS_ANIMATIONS = hasattr(cv2, "imdecodeanimation")

COLOURS = {
    "R": (255, 0, 0), "G": (0, 255, 0), "B": (0, 0, 255), "Y": (255, 255, 0), "C": (0, 255, 255), "M": (255, 0, 255),
}  # fmt: skip


def paint(rows: str, cell: int = 16) -> np.ndarray:
    """``"RGB/YCM"``: a picture of 2 x 3 coloured squares (large enough for lossy codecs)."""
    small = np.array([[COLOURS[c] for c in row] for row in rows.split("/")], np.uint8)
    return np.kron(small, np.ones((cell, cell, 1), np.uint8))


def names(picture: np.ndarray, cell: int = 16) -> str:
    """The inverse of :func:`paint`, by the nearest colour at each square's middle."""
    middle = picture[cell // 2 :: cell, cell // 2 :: cell].astype(int)
    keys, values = list(COLOURS), np.array(list(COLOURS.values()))
    nearest = np.abs(middle[:, :, None] - values).sum(-1).argmin(-1)
    return "/".join("".join(keys[i] for i in row) for row in nearest)


def encode(picture: Any, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pil = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    pil.save(buffer, kind, **options)
    return buffer.getvalue()


def formats() -> list[str]:
    return ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM"] + ["GIF"] * HAS_GIF + ["AVIF"] * HAS_AVIF


UPRIGHT = paint("RGB/YCM")


# ---------------------------------------------------------------- smoke: every way in


@pytest.mark.parametrize("kind", formats())
def test_every_format_by_every_route(kind: str, tmp_path: Path) -> None:
    data = encode(UPRIGHT, kind)
    path = tmp_path / "写真 ñ 🙂.bin"
    path.write_bytes(data)
    with path.open("rb") as file:
        routes = [path, str(path), data, bytearray(data), memoryview(data), io.BytesIO(data), file]
        pictures = [image.read(route) for route in routes]
    for picture in pictures:
        assert picture.dtype == np.uint8
        assert picture.shape == (32, 48, 3)
        assert picture.flags.c_contiguous
        assert picture.flags.writeable
        assert names(picture) == "RGB/YCM"
        np.testing.assert_array_equal(picture, pictures[0])


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "I", "I;16"]
)
def test_every_pil_mode(mode: str) -> None:
    grey = mode in ("I", "I;16")
    pil = Image.fromarray(UPRIGHT).convert("L").convert(mode) if grey else Image.fromarray(UPRIGHT).convert(mode)
    picture = image.read(pil)
    assert picture.shape == (32, 48, 3)
    if mode in ("RGB", "RGBA", "RGBX", "P", "CMYK", "YCbCr", "HSV"):
        assert names(picture) == "RGB/YCM"


def test_arrays_and_tensors_of_every_shape() -> None:
    for shape in [(4, 5), (4, 5, 1), (4, 5, 3), (4, 5, 4), (3, 3, 3), (1, 1)]:
        assert image.read(np.full(shape, 200, np.uint8)).shape == (*shape[:2], 3)
    for shape in [(4, 5), (1, 4, 5), (3, 4, 5), (4, 4, 5)]:
        assert image.read(torch.full(shape, 0.5)).shape == (4, 5, 3)
    assert image.read(torch.full((3, 2, 2), 0.5, dtype=torch.bfloat16, requires_grad=True))[0, 0, 0] == 128


def test_nothing_is_imported_that_the_caller_has_not() -> None:
    code = "import sys, numpy, facekp.image as i; i.read(numpy.zeros((2, 2), 'u1')); print('PIL' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_threads_do_not_disturb_each_other() -> None:
    files = [encode(np.full((40, 30, 3), 10 * i, np.uint8), kind) for i in range(20) for kind in ("PNG", "BMP")]
    with ThreadPoolExecutor(8) as pool:
        for i, picture in enumerate(pool.map(image.read, files)):
            assert picture[0, 0].tolist() == [10 * (i // 2)] * 3


# ---------------------------------------------------------------- wrong input: each error names its picture


def refused(source: Any, *words: str, **options: Any) -> None:
    with pytest.raises(ImageError) as caught:
        image.read(source, **options)
    message = str(caught.value)
    assert message.startswith(image.describe(source) or "''")
    assert "\n" not in message
    for word in words:
        assert word in message


def test_missing_files(tmp_path: Path) -> None:
    refused(tmp_path / "no.jpg", "no such file", "check the name")
    refused(tmp_path / "no" / "no.jpg", "directory", "does not exist")
    refused("no-such-picture.jpg", "no such file", str(Path.cwd()))
    refused(tmp_path, "is a directory")
    refused("", "empty")
    refused("a\0b.jpg")
    refused("x" * 5000 + ".jpg")
    refused(os.fsdecode(b"\xff\xfe.jpg"), "no such file")


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="needs /dev")
def test_devices() -> None:
    refused("/dev/null", "device")


@pytest.mark.parametrize(
    "url", ["http://a.b/c.jpg", "https://a.b/c.jpg", "s3://b/c.png", "file:///c.png", "data:image/png;base64,iVBO"]
)
def test_urls_are_not_opened(url: str) -> None:
    refused(url, "no URLs", "download")
    if not url.startswith("data"):
        with pytest.raises(ImageError, match="no URLs"):
            image.read(Path(url))


def test_empty_and_foreign_files(tmp_path: Path) -> None:
    path = tmp_path / "empty.jpg"
    path.write_bytes(b"")
    refused(path, "is empty")
    refused(b"", "is empty")
    path.write_bytes(b"version: 1\nn_points: 68\n{\n")
    refused(path, "not a picture", "JPEG", "convert")
    for start, word in [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypisom", "video"),
        (b"<svg ", "SVG"),
    ]:
        refused(start + b"\0" * 100, word, "convert")
    refused(b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull")


def test_only_the_start_of_a_foreign_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    with path.open("wb") as file:
        file.write(b"\0\0\0\x18ftypisom")
        file.truncate(1 << 40)  # a sparse file of 1 TB
    refused(path, "a video")


def test_unreadable_file_objects(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encode(UPRIGHT, "JPEG"))
    with path.open("r", encoding="latin-1") as text:
        refused(text, "'rb'", str(path))
    closed = path.open("rb")
    closed.close()
    refused(closed, "closed")

    class Broken:
        def read(self) -> bytes:
            raise zlib.error("stream ended")

    refused(Broken(), "stream ended")
    refused(io.StringIO("x"), "text mode")
    released = memoryview(b"abc")
    released.release()
    refused(released, "released")
    with path.open("rb") as file:
        file.read()
        refused(file, "seek")


@pytest.mark.parametrize("source", [None, 3, 1.5, ["a.jpg"], {}, object()])
def test_other_objects(source: Any) -> None:
    refused(source, "expected a path", type(source).__name__)


@pytest.mark.parametrize("kind", formats())
def test_truncated_files_are_found_out(kind: str) -> None:
    rng = np.random.default_rng(0)
    data = encode(cv2.GaussianBlur(rng.integers(0, 255, (90, 120, 3), np.uint8), (0, 0), 2), kind)
    assert image.read(data).shape == (90, 120, 3)
    for part in (0.02, 0.1, 0.3, 0.5, 0.9, 0.99):
        cut = data[: int(len(data) * part)]
        refused(cut, "get a fresh copy" if len(cut) > 10 else "")
    # BMP and PPM pad nothing; every other format is told by its last bytes.
    refused(data[:-1], "cut short", "get a fresh copy")


def test_truncated_jpeg_of_every_sort() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (200, 200, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 1
    thumbnail = encode(noise[:40, :40], "JPEG")
    for options in ({}, {"progressive": True}, {"restart_marker_rows": 1}, {"comment": thumbnail}, {"exif": exif}):
        data = encode(noise, "JPEG", **options)
        image.read(data)
        image.read(data + b"\0\xff\xd8 what a telephone puts behind its pictures")
        for keep in (len(data) - 2, len(data) // 2, len(data) * 9 // 10):
            refused(data[:keep], "cut short")


def test_a_damaged_png_is_found_out() -> None:
    data = bytearray(encode(UPRIGHT, "PNG"))
    data[data.index(b"IDAT") + 8] ^= 1
    refused(bytes(data), "checksum", "IDAT")


def bomb(kind: str, side: int = 50_000) -> bytes:
    """The header of a picture of ``side`` x ``side`` with next to no content."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    if kind == "PNG":
        ihdr = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
        idat = chunk(b"IDAT", zlib.compress(b"\0" * 10_000))
        return b"\x89PNG\r\n\x1a\n" + ihdr + idat + chunk(b"IEND", b"")
    if kind == "JPEG":
        return b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 11, 8, side, side, 1) + b"\1\x11\0\xff\xda\0\x02\0\xff\xd9"
    if kind == "GIF":
        frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, side, side, 0) + b"\x02\x02\x44\x01\0"
        return b"GIF89a" + struct.pack("<HHBBB", side, side, 0, 0, 0) + frame + b";"
    if kind == "WebP":
        canvas = struct.pack("<I", side - 1)[:3]
        body = b"WEBPVP8X\x0a\0\0\0\0\0\0\0" + canvas + canvas
        return b"RIFF" + struct.pack("<I", len(body)) + body
    if kind == "BMP":  # run-length coded, so its size proves nothing
        return b"BM" + struct.pack("<IIIIiiHHI", 60, 0, 54, 40, side, -side, 1, 8, 1) + b"\0" * 40
    tags = [(256, 4, 1, side), (257, 4, 1, side), (273, 4, 1, 8), (279, 4, 1, 1)]
    return b"II*\0\x08\0\0\0" + struct.pack("<H", 4) + b"".join(struct.pack("<HHII", *t) for t in tags) + b"\0" * 4


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WebP", "BMP", "TIFF"])
def test_decompression_bombs_cost_nothing(kind: str) -> None:
    refused(bomb(kind), "50000 x 50000", "2,500,000,000 pixels", "178,956,970", "max_pixels")
    refused(bomb(kind, 1200), "1,440,000 pixels", max_pixels=1_000_000)


def test_the_pixel_limit_holds_for_pil_and_is_inclusive() -> None:
    pil = Image.new("L", (100, 50))
    refused(pil, "100 x 50", "5,000 pixels", max_pixels=4999)
    assert image.read(pil, max_pixels=5000).shape == (50, 100, 3)
    assert image.read(encode(pil, "PNG"), max_pixels=5000).shape == (50, 100, 3)


def test_opencvs_own_limit_is_our_error() -> None:
    refused(bomb("PNG", 40_000), "OpenCV", max_pixels=1 << 40)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((3, 8, 9), np.uint8), ["channels first", "transpose(1, 2, 0)"]),
        (np.zeros((2, 8, 9, 3), np.uint8), ["(2, 8, 9, 3)", "list of its pictures"]),
        (np.zeros((8, 9, 2), np.uint8), ["(8, 9, 2)", "(H, W, 3)"]),
        (np.zeros(8, np.uint8), ["tobytes"]),
        (np.zeros((), np.uint8), ["()"]),
        (np.zeros((0, 9, 3), np.uint8), ["no pixels"]),
        (np.zeros((9, 0), np.uint8), ["no pixels"]),
        (np.zeros((8, 9), np.int64), ["int64", "values fit uint8"]),
        (np.full((8, 9), -1, np.int16), ["int16"]),
        (np.zeros((8, 9), np.uint32), ["uint32"]),
        (np.zeros((8, 9), complex), ["complex"]),
        (np.full((8, 9), "x"), ["<U1"]),
        (np.full((8, 9), None), ["object"]),
        (np.full((8, 9), 255.0), ["reach 255", "divide by 255"]),
        (np.full((8, 9), -1.0, np.float32), ["[-1, -1]", "normalisation"]),
        (np.full((8, 9), np.nan), ["finite"]),
        (np.array([[0.5, np.nan]]), ["finite"]),
        (np.full((8, 9), np.inf), ["finite"]),
    ],
)
def test_arrays_that_are_no_pictures(array: np.ndarray, words: list[str]) -> None:
    refused(array, "<array>", *words)


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (torch.zeros(8, 9, 3), ["channels last", "permute(2, 0, 1)"]),
        (torch.zeros(2, 3, 8, 9), ["list of its pictures"]),
        (torch.zeros(8), ["(8,)"]),
        (torch.zeros(2, 8, 9), ["(2, 8, 9)"]),
        (torch.zeros(3, 0, 9), ["no pixels"]),
        (torch.full((3, 8, 9), 2.0), ["reach 2"]),
        (torch.zeros(3, 8, 9, dtype=torch.int64), ["int64"]),
        (torch.zeros(3, 8, 9, device="meta"), ["no plain values"]),
        (torch.zeros(3, 8, 9).to_sparse(), ["no plain values"]),
    ],
)
def test_tensors_that_are_no_pictures(tensor: torch.Tensor, words: list[str]) -> None:
    refused(tensor, "<tensor>", *words)


def test_pil_images_that_cannot_be_decoded(tmp_path: Path) -> None:
    path = tmp_path / "cut.jpg"
    path.write_bytes(encode(np.random.default_rng(0).integers(0, 255, (99, 99, 3), np.uint8), "JPEG")[:3000])
    with Image.open(path) as pil:
        refused(pil, str(path), "truncated")
    refused(Image.new("RGB", (0, 5)), "no pixels")
    refused(Image.new("F", (5, 5), 7.0), "divide by 255")
    refused(Image.new("I", (5, 5), -7), "16-bit")


@pytest.mark.parametrize("color", ["RGB", "gray", None, 3])
def test_colour_orders_that_there_are_not(color: Any) -> None:
    with pytest.raises(ArgumentError, match="'rgb' or 'bgr'"):
        image.read(UPRIGHT, color=color)


# ---------------------------------------------------------------- values worked out by hand

# What is stored so that the picture looks like RGB/YCM: Exif 2.32, 4.6.4 A, says where row 0 and column 0 are seen.
STORED = {
    1: "RGB/YCM",  # top, left
    2: "BGR/MCY",  # top, right
    3: "MCY/BGR",  # bottom, right
    4: "YCM/RGB",  # bottom, left
    5: "RY/GC/BM",  # left, top
    6: "BM/GC/RY",  # right, top
    7: "MB/CG/YR",  # right, bottom
    8: "YR/CG/MB",  # left, bottom
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", *(["AVIF"] * HAS_AVIF)])
def test_exif_orientation(kind: str, orientation: int) -> None:
    if kind == "TIFF":
        options: dict[str, Any] = {"tiffinfo": {274: orientation}}
    else:
        options = {"exif": Image.Exif()}
        options["exif"][0x0112] = orientation
    data = encode(paint(STORED[orientation]), kind, **options)
    assert names(image.read(data)) == "RGB/YCM"
    with Image.open(io.BytesIO(data)) as pil:
        assert names(image.read(pil)) == "RGB/YCM"


@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_of_both_byte_orders_and_nonsense_in_it(order: str) -> None:
    def jpeg(exif: bytes) -> bytes:
        data = encode(paint(STORED[6]), "JPEG")
        body = b"Exif\0\0" + exif
        return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]

    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    for value, seen in [(6, "RGB/YCM"), (0, STORED[6]), (9, STORED[6])]:
        tag = struct.pack(order + "HHHIHH", 1, 274, 3, 1, value, 0)
        assert names(image.read(jpeg(head + tag))) == seen
    for nonsense in (b"", b"II", head, head[:4] + b"\xff" * 4, head + b"\xff" * 30):
        assert names(image.read(jpeg(nonsense))) == STORED[6]


def test_sixteen_bits_are_scaled_not_cut() -> None:
    deep = np.array([[0, 128, 129, 257, 32767, 32768, 65406, 65535]], np.uint16)
    expected = [0, 0, 1, 1, 127, 128, 254, 255]  # 128 / 257 = 0.498, 129 / 257 = 0.502; 65406 / 257 = 254.498
    assert image.read(deep)[0, :, 0].tolist() == expected
    assert image.read(deep.astype(">u2"))[0, :, 0].tolist() == expected
    assert image.read(cv2.imencode(".png", deep)[1].tobytes())[0, :, 1].tolist() == expected
    assert image.read(cv2.imencode(".tiff", deep)[1].tobytes())[0, :, 2].tolist() == expected
    assert image.read(Image.fromarray(deep))[0, :, 0].tolist() == expected
    assert image.read(Image.fromarray(deep.astype(np.int32)))[0, :, 0].tolist() == expected
    assert image.read(torch.from_numpy(deep))[0, :, 0].tolist() == expected


def test_levels_of_bool_float_and_pnm() -> None:
    assert image.read(np.array([[False, True]]))[0].tolist() == [[0] * 3, [255] * 3]
    floats = np.array([[0.0, 0.1, 0.5, 1.0, -0.0005, 1.0005]])
    assert image.read(floats)[0, :, 0].tolist() == [0, 26, 128, 255, 0, 255]  # 25.5 and 127.5 go to the even number
    assert image.read(b"P5 3 1 100 " + bytes([0, 50, 100]))[0, :, 0].tolist() == [0, 128, 255]
    assert image.read(b"P2\n# by hand\n3 1\n1023\n0 512 1023\n")[0, :, 0].tolist() == [0, 128, 255]
    assert image.read(b"P4 9 1 \x80\x80")[0, :, 0].tolist() == [0] + [255] * 7 + [0]


@pytest.mark.parametrize("kind", ["array", "PNG", "WEBP", "TIFF", "pil", *(["AVIF"] * HAS_AVIF)])
def test_alpha_is_laid_over_white(kind: str) -> None:
    rgba = np.zeros((16, 48, 4), np.uint8)
    rgba[:, :16] = (200, 100, 0, 255)  # opaque: stays
    rgba[:, 16:32] = (200, 100, 0, 0)  # unseen: white, whatever lies under it
    rgba[:, 32:] = (200, 100, 0, 51)  # a fifth: 0.2 * 200 + 0.8 * 255 = 244, 0.2 * 100 + 204 = 224, 204
    source = {"array": rgba, "pil": Image.fromarray(rgba)}.get(kind)
    picture = (
        image.read(encode(rgba, kind, **{"lossless": True} if kind == "WEBP" else {}))
        if source is None
        else image.read(source)
    )
    slack = {"AVIF": 4, "TIFF": 2}.get(kind, 0)  # one is lossy; libtiff rounds when it multiplies by alpha
    for x, expected in [(8, (200, 100, 0)), (24, (255, 255, 255)), (40, (244, 224, 204))]:
        np.testing.assert_allclose(picture[8, x].astype(int), expected, atol=slack)


def test_transparent_palettes_and_grey_with_alpha() -> None:
    pil = Image.fromarray(UPRIGHT).convert("P", palette=Image.Palette.ADAPTIVE)
    red = pil.getpixel((0, 0))
    for source in [
        pil,
        encode(pil, "PNG", transparency=red),
        *([encode(pil, "GIF", transparency=red)] if HAS_GIF else []),
    ]:
        if source is pil:
            source = pil.copy()
            source.info["transparency"] = red
        picture = image.read(source)
        assert picture[8, 8].tolist() == [255, 255, 255]
        assert names(picture)[1:] == "GB/YCM"
    grey = Image.merge("LA", [Image.new("L", (4, 4), 100), Image.new("L", (4, 4), 51)])
    assert image.read(grey)[0, 0].tolist() == [224] * 3
    assert image.read(encode(grey, "PNG"))[0, 0].tolist() == [224] * 3


def test_colour_order_is_the_arrays_alone() -> None:
    rgb = np.array([[[10, 20, 30]]], np.uint8)
    assert image.read(rgb, color="bgr").tolist() == [[[30, 20, 10]]]
    assert image.read(np.array([[[10, 20, 30, 255]]], np.uint8), color="bgr").tolist() == [[[30, 20, 10]]]
    assert image.read(np.array([[[10, 20, 30, 0]]], np.uint8), color="bgr").tolist() == [[[255, 255, 255]]]
    assert image.read(torch.tensor(rgb).permute(2, 0, 1), color="bgr").tolist() == [[[30, 20, 10]]]
    assert image.read(encode(rgb, "PNG"), color="bgr").tolist() == rgb.tolist()
    assert image.read(Image.fromarray(rgb), color="bgr").tolist() == rgb.tolist()


def test_cmyk_jpeg() -> None:
    assert names(image.read(encode(Image.fromarray(UPRIGHT).convert("CMYK"), "JPEG"))) == "RGB/YCM"


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_the_first_frame_of_an_animation(kind: str) -> None:
    frames = [Image.fromarray(paint(rows)) for rows in ("RGB/YCM", "MCY/BGR", "YCM/RGB")]
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:])
    if kind in ("TIFF", "PNG") or HAS_ANIMATIONS:
        assert names(image.read(data)) == "RGB/YCM"
    else:
        refused(data, "OpenCV")


def test_inputs_are_never_written_to_and_read_only_ones_are_copied() -> None:
    rgb = np.full((4, 5, 3), 7, np.uint8)
    assert np.shares_memory(image.read(rgb), rgb)
    frozen = rgb.copy()
    frozen.setflags(write=False)
    assert image.read(frozen).flags.writeable
    strided = np.full((8, 10, 3), 7, np.uint8)[::2, ::-2]
    assert image.read(strided).flags.c_contiguous


# ---------------------------------------------------------------- names


def test_describe() -> None:
    assert image.describe("a/b.jpg") == "a/b.jpg"
    assert image.describe(Path("a/b.jpg")) == str(Path("a/b.jpg"))
    assert image.describe(b"") == image.describe(bytearray()) == image.describe(memoryview(b"")) == "<bytes>"
    assert image.describe(np.zeros(3)) == "<array>"
    assert image.describe(torch.zeros(3)) == "<tensor>"
    assert image.describe(Image.new("L", (2, 2))) == "<PIL image>"
    assert image.describe(io.BytesIO()) == "<file>"
    assert image.describe(None) == "<NoneType>"
    assert image.describe("bell\a\nüñ") == "bell\\x07\\nüñ"
    assert len(image.describe("x" * 9999)) < 400


def test_is_image_path() -> None:
    yes = ["a.jpg", "A.JPEG", "b/c.PnG", Path("d.webp"), "e.tif", "f.pgm", "g.avif", ".hidden.gif"]
    no = ["a.txt", "jpg", ".jpg", "a.jpg.txt", "dir/", "", "._a.jpg", "a.mp4", "a.svg"]
    assert [image.is_image_path(p) for p in yes] == [True] * len(yes)
    assert [image.is_image_path(p) for p in no] == [False] * len(no)


# ---------------------------------------------------------------- properties


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 7), st.integers(1, 7), st.just(3))))
def test_all_lossless_routes_agree(rgb: np.ndarray) -> None:
    tensor = torch.from_numpy(rgb.copy()).permute(2, 0, 1)
    routes = [
        rgb,
        rgb / 255,
        (rgb / 255).astype(np.float32),
        rgb.astype(np.uint16) * 257,
        np.asfortranarray(rgb),
        np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)]),
        tensor,
        tensor / 255,
        tensor.double() / 255,
        Image.fromarray(rgb),
        Image.fromarray(rgb).convert("RGBA"),
        encode(rgb, "PNG"),
        encode(rgb, "BMP"),
        encode(rgb, "TIFF"),
        encode(rgb, "WEBP", lossless=True),
    ]
    for source in routes:
        np.testing.assert_array_equal(image.read(source), rgb)
    np.testing.assert_array_equal(image.read(rgb[..., ::-1], color="bgr"), rgb)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(sorted(headers.FORMATS)))
def test_header_parsers_raise_nothing_else(data: bytes, kind: str) -> None:
    try:
        header = headers.parse(data, kind)
    except headers.HeaderError:
        return
    assert len(header.size) == 2
    assert 1 <= header.orientation <= 8


# ---------------------------------------------------------------- fuzz


def mend_png(data: bytes) -> bytes:
    """Give every chunk the checksum of its content, so that a mutant gets as far as the decoder."""
    out, at = bytearray(data), 8
    while at + 12 <= len(out):
        length = int.from_bytes(out[at : at + 4], "big")
        if at + 12 + length > len(out):
            break
        out[at + 8 + length : at + 12 + length] = struct.pack(">I", zlib.crc32(out[at + 4 : at + 8 + length]))
        at += 12 + length
    return bytes(out)


def mutant(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        if not out:
            break
        at = rng.randrange(len(out))
        match rng.randrange(5):
            case 0:
                out[at] = rng.randrange(256)
            case 1:
                out[at] ^= 1 << rng.randrange(8)
            case 2:
                out[at : at + rng.randrange(1, 9)] = rng.choice((b"", b"\0\0\0\0", b"\xff\xff\xff\xff"))
            case 3:
                out[at:at] = out[at : at + rng.randrange(1, 40)]
            case 4:
                out = out[: at + 1]
    return bytes(out)


@pytest.mark.parametrize("kind", formats())
def test_mutants_give_a_picture_or_an_image_error(kind: str) -> None:
    rng = random.Random(kind)
    exif = Image.Exif()
    exif[0x0112] = 6
    plain, tiny = Image.fromarray(paint("RGB/YCM", 4)), Image.fromarray(paint("RGB/YCM", 4)).convert("P")
    seeds = [encode(plain, kind)]
    if kind in ("JPEG", "PNG", "WEBP", "AVIF"):
        seeds.append(encode(plain, kind, exif=exif))
    if kind in ("PNG", "GIF", "TIFF", "BMP"):
        seeds.append(encode(tiny, kind))
    if kind == "JPEG":
        seeds.append(encode(plain, kind, progressive=True))
    read = 0
    for _ in range(280):
        data = mutant(rng.choice(seeds), rng)
        if kind == "PNG" and rng.random() < 0.7:
            data = mend_png(data)
        try:
            picture = image.read(data, max_pixels=200_000)
        except ImageError:
            continue
        except FacekpError as error:  # pragma: no cover
            raise AssertionError("a picture's fault must be an ImageError") from error
        assert picture.ndim == 3
        assert picture.shape[2] == 3
        assert picture.dtype == np.uint8
        read += 1
    assert read > 0
