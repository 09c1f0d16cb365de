"""A packed cache: what goes in comes out, and nothing else does."""

from __future__ import annotations

import gc
import os
import pickle
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facekp import cli, datasets, geometry, schema, transforms
from facekp.datasets import Packed, PackedSample, pack
from facekp.datasets.packed_crop import reduced
from facekp.datasets.packed_file import _HEADER
from facekp.errors import ArgumentError, DatasetError
from facekp.sample import Sample
from facekp.schema import KeypointSchema

THREE = KeypointSchema(
    "three", ("a", "b", "c"), None, ((0, 1),), {}, {"ab": ((0,), (1,))}, [[-0.5, 0], [0.5, 0], [0, 0]], True
)
META = {
    "name": "d/pictüre.png",
    "visibility": (2, 0, 1),
    "list": [1, None, 2.5, float("inf")],
    "flags": {"blur": True, "nested": {"k": ("v",)}},
    "array": np.array([[1.5, 2.5]], np.float32),
    "number": np.int64(7),
    "file": Path("a/b.mat"),
    "bytes of a name": "\udcff",
}


def face(index: int = 0, side: int = 20, **changes: Any) -> Sample:
    """A face in a noisy picture; every third lacks a point."""
    rng = np.random.default_rng(index)
    points = np.array([[4, 6], [4 + side, 8], [10, 6 + side]], np.float32)
    if index % 3 == 0:
        points[1] = np.nan
    pixels = rng.integers(0, 256, (40 + index, 48, 3), np.uint8)
    meta = {"name": f"{index}.png"}
    return replace(Sample(points, THREE, None, None, f"person {index}", pixels, meta), **changes)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "faces.fkp"


def same(found: Sample, expected: Sample) -> None:
    np.testing.assert_array_equal(found.image, expected.image)
    np.testing.assert_array_equal(found.keypoints, expected.keypoints)
    assert (found.source_box is None) == (expected.source_box is None)
    if expected.source_box is not None:
        np.testing.assert_array_equal(found.source_box, expected.source_box)
    assert (found.subject, found.path, found.schema) == (expected.subject, expected.path, expected.schema)


# ---------------------------------------------------------------- round trip


def test_every_label_comes_back(out: Path) -> None:
    faces = [
        face(0, meta=META, source_box=np.array([1, 2, 30, 33.25], np.float32)),
        face(1, subject=None, side=5),
        face(3, path=Path("gone/3.png")),
    ]
    packed = pack(datasets.SampleSet(faces, THREE, "mine"), out, side=24, scale=1.5)
    assert (len(packed), packed.name, packed.schema, tuple(packed.packing)) == (3, "mine", THREE, (24, 1.5))
    for found, given_ in zip(packed, faces, strict=True):
        assert isinstance(found, PackedSample)
        expected, matrix = reduced(given_, 24, 1.5)
        same(found, expected)
        np.testing.assert_allclose(found.to_picture, geometry.invert(matrix))
        np.testing.assert_allclose(geometry.apply(found.to_picture, found.keypoints), given_.keypoints, atol=1e-5)
    meta = dict(packed[0].meta)
    array = meta.pop("array")
    np.testing.assert_array_equal(array, META["array"])
    assert array.dtype == np.float32
    assert meta == {key: value for key, value in META.items() if key != "array"}  # a tuple is no list


def test_a_custom_schema_travels_with_the_faces(out: Path) -> None:
    layout = replace(THREE, spans_face=False)
    box = np.array([0, 0, 9, 9], np.float32)
    pack([face(1, schema=layout, source_box=box)], out)
    found = Packed(out)
    assert found.schema.to_dict() == layout.to_dict()
    assert not found[0].schema.spans_face
    np.testing.assert_array_equal(found[0].box, found[0].source_box)


def test_shipped_schemas_are_equal_to_themselves(out: Path) -> None:
    layout = schema.get("ibug68")
    points = layout.mean_shape * 30 + 25
    pack([Sample(points, layout, pixels=np.zeros((60, 60, 3), np.uint8))], out)
    assert Packed(out).schema == layout
    assert Packed(out).name == "faces.fkp"  # samples without a set's name


def test_faces_are_never_enlarged(out: Path) -> None:
    packed = pack([face(1, side=5), face(2, side=9), face(4, side=20)], out, side=32, scale=2.0)
    # The extents' longer sides are 6, 9 and 20; 16 is the least.
    assert [s.image.shape for s in packed] == [(16, 16, 3), (18, 18, 3), (32, 32, 3)]
    assert packed[1].image.nbytes + packed[2].image.nbytes < out.stat().st_size < 4 * 32 * 32 * 3


def test_whole_pictures_keep_their_shape(out: Path) -> None:
    wide = face(1, pixels=np.random.default_rng(0).integers(0, 256, (40, 80, 3), np.uint8))
    same(pack([wide], out, side=80, box="full")[0], wide)
    found = pack([wide], out, side=40, box="full")[0]
    assert found.image.shape == (20, 40, 3)
    # A point in the middle of the picture stays there: x' = (x + 0.5) / 2 - 0.5.
    np.testing.assert_allclose(found.keypoints, (wide.keypoints + 0.5) / 2 - 0.5, atol=1e-6)
    assert Packed(out).packing.scale == 0


def test_packed_again_it_leads_to_the_first_picture(out: Path, tmp_path: Path) -> None:
    first = pack([face(1)], out, side=32, scale=3)
    second = pack(first, tmp_path / "second.fkp", side=16, scale=1.5)
    found = second[0]
    assert isinstance(found, PackedSample)
    np.testing.assert_allclose(geometry.apply(found.to_picture, found.keypoints), face(1).keypoints, atol=1e-5)
    assert second.name == first.name


@settings(max_examples=30, deadline=None)
@given(
    points=st.lists(st.tuples(*[st.floats(-30, 80, width=32)] * 2), min_size=3, max_size=3, unique=True),
    missing=st.sets(st.integers(0, 2), max_size=1),
    side=st.integers(16, 40),
    scale=st.floats(1, 4),
)
def test_any_points_are_kept(
    tmp_path_factory: pytest.TempPathFactory, points: Any, missing: Any, side: int, scale: float
) -> None:
    labels = np.array(points, np.float32)
    labels[list(missing)] = np.nan
    box = geometry.extent(labels)
    if max(box[2:] - box[:2]) < 1e-3:
        return
    sample = face(1, keypoints=labels)
    found = pack([sample], tmp_path_factory.mktemp("any") / "f.fkp", side=side, scale=scale)[0]
    assert isinstance(found, PackedSample)
    assert max(found.image.shape) <= side
    np.testing.assert_array_equal(found.mask, sample.mask)
    np.testing.assert_allclose(geometry.apply(found.to_picture, found.keypoints), labels, atol=1e-2)


def test_it_is_a_set_like_the_others(out: Path) -> None:
    pack([face(i) for i in range(6)], out)
    packed = datasets.create("packed", path=out)
    assert [s.subject for s in packed[1:4]] == ["person 1", "person 2", "person 3"]
    assert packed[-1].subject == "person 5"
    assert len(packed.where(lambda s: bool(s.mask.all()))) == 4
    assert "6 faces" in repr(packed)
    with pytest.raises(IndexError):
        packed[6]
    train, valid = datasets.split_by(packed, "subject", valid=0.3)
    assert len(train) + len(valid) == 6
    joined = datasets.concat(packed, schema=replace(THREE, name="two", names=("c", "b", "x")))
    np.testing.assert_array_equal(joined[1].keypoints[:2], packed[1].keypoints[[2, 1]])


def test_converting_writes_the_crops_under_their_own_names(out: Path, tmp_path: Path) -> None:
    original = tmp_path / "sub" / "a.jpg"
    original.parent.mkdir()
    assert cv2.imwrite(str(original), np.full((50, 50, 3), 80, np.uint8))
    packed = pack([face(1, path=original, pixels=None, meta={"name": "sub/a.jpg"})], out, side=16)
    datasets.write_folder(packed, tmp_path / "copy")
    again = datasets.Folder(tmp_path / "copy")
    assert again[0].meta["name"] == "sub/a.png"
    np.testing.assert_array_equal(again[0].image, packed[0].image)
    np.testing.assert_array_equal(again[0].keypoints, packed[0].keypoints)


# ---------------------------------------------------------------- memory and processes


def test_pixels_are_views_that_nobody_writes(out: Path) -> None:
    packed = pack([face(1)], out)
    first = packed[0].image
    assert not first.flags.writeable
    assert np.shares_memory(first, packed[0].image)
    points = packed[0].keypoints
    points[:] = 0  # one's own copy
    assert packed[0].keypoints.any()


def test_opening_takes_the_memory_of_no_face(out: Path) -> None:
    def faces() -> Iterator[Sample]:
        for i in range(300):
            yield face(i, pixels=np.full((64, 64, 3), i % 256, np.uint8))

    tracemalloc.start()
    try:
        pack(faces(), out, side=64, box="full")
        while_packing = tracemalloc.get_traced_memory()[1]
        gc.collect()
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        packed = Packed(out)
        total = sum(int(packed[i].image[0, 0, 0]) for i in range(0, 300, 3))
        opened = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert total == sum(i % 256 for i in range(0, 300, 3))
    assert out.stat().st_size > 3_600_000
    assert while_packing < 1_500_000
    assert opened < 150_000


def test_sets_and_faces_are_pickled_as_references(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(out.parent)
    packed = pack(
        [face(i, pixels=np.zeros((300, 300, 3), np.uint8)) for i in range(3)], Path(out.name), side=256, box="full"
    )
    stored = pickle.dumps([packed, packed[1], packed[:2]])
    assert len(stored) < 6_000
    monkeypatch.chdir("/")
    again, one, part = pickle.loads(stored)
    same(again[2], packed[2])
    same(one, packed[1])
    assert len(part) == 2
    changed = replace(packed[1], subject="other")
    same(pickle.loads(pickle.dumps(changed)), changed)


def test_a_cache_that_was_replaced_is_not_taken_for_the_old_one(out: Path) -> None:
    packed = pack([face(1), face(2)], out)
    stored = pickle.dumps(packed[1])
    old = packed[0].image
    pack([face(3)], out)
    same(pickle.loads(stored), packed[1])  # as long as it is open
    np.testing.assert_array_equal(packed[0].image, old)
    del packed, old
    gc.collect()
    with pytest.raises(DatasetError, match="packed anew in the meantime"):
        pickle.loads(stored)


@pytest.mark.parametrize(("start", "workers"), [("fork", 2), ("spawn", 1)])
def test_workers_of_a_data_loader_read_it(out: Path, start: str, workers: int) -> None:
    import multiprocessing

    from torch.utils.data import DataLoader

    if start not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {start}")
    packed = pack([face(i) for i in range(6)], out)
    loader: Any = DataLoader(packed, 2, collate_fn=list, num_workers=workers, multiprocessing_context=start)  # type: ignore[arg-type]
    found = [sample for batch in loader for sample in batch]
    for a, b in zip(found, packed, strict=True):
        same(a, b)


def test_a_transformed_face_is_a_face_of_its_own(out: Path) -> None:
    packed = pack([face(1)], out)
    moved = transforms.CropToBox((16, 16))(packed[0], 0)
    assert moved.image.shape == (16, 16, 3)
    assert isinstance(moved, PackedSample)
    assert moved.packing is None
    with pytest.raises(ArgumentError, match="changed after it was unpacked"):
        _ = moved.to_picture


# ---------------------------------------------------------------- damage


@pytest.fixture
def small(out: Path) -> Path:
    """Three faces in few bytes."""
    pack([face(i, pixels=np.full((5, 6 + i, 3), 40 * i + 9, np.uint8)) for i in range(3)], out, box="full")
    return out


def refused(path: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        Packed(path).verify()
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "facekp pack  again" in message
    return message


def test_every_damaged_byte_is_seen(small: Path) -> None:
    data = small.read_bytes()
    rng = np.random.default_rng(0)
    for at in range(len(data)):
        wrong = bytearray(data)
        wrong[at] ^= int(rng.integers(1, 256))
        small.write_bytes(wrong)
        refused(small)
    small.write_bytes(data)
    Packed(small).verify()


@settings(max_examples=60, deadline=None)
@given(start=st.integers(0, 10_000), junk=st.binary(min_size=1, max_size=64))
def test_junk_in_any_place_is_seen(tmp_path_factory: pytest.TempPathFactory, start: int, junk: bytes) -> None:
    path = tmp_path_factory.mktemp("junk") / "f.fkp"
    pack([face(i, side=4 + i) for i in range(3)], path, side=16)
    data = path.read_bytes()
    start %= len(data)
    wrong = data[:start] + junk + data[start + len(junk) :]
    if wrong != data:
        path.write_bytes(wrong)
        refused(path)


def test_a_file_that_is_cut_off_is_seen(small: Path) -> None:
    data = small.read_bytes()
    for length in [
        0,
        1,
        7,
        8,
        9,
        _HEADER.size - 1,
        _HEADER.size,
        *range(_HEADER.size + 1, len(data), 61),
        len(data) - 1,
    ]:
        small.write_bytes(data[:length])
        assert "cut off" in refused(small) or length < 8
    small.write_bytes(data + b"\0")
    assert "more than belongs to it" in refused(small)


def test_damaged_pixels_spoil_their_own_face_only(small: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = bytearray(small.read_bytes())
    data[_HEADER.size + 5 * 6 * 3 + 5] ^= 1  # in the second face
    small.write_bytes(data)
    packed = Packed(small)
    assert packed[0].image.any()
    for _ in range(2):  # each time it is asked for
        with pytest.raises(DatasetError, match=r"1 of 3 faces are damaged \(checksum; from 0: 1\)"):
            _ = packed[1].image
    rest = Packed(small, on_error="skip")
    assert [s.subject for s in rest] == ["person 0", "person 2"]
    assert len(rest.skipped) == 1
    assert "1 left out, 2 read" in caplog.text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\xff\xd8\xff\xe0 a picture", "is not a packed cache"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "is not a packed cache"),
        (bytes(500), "is not a packed cache"),
        (b"\x89FKP\r\n\x1a\n", "is cut off"),
        (b"\x89FKP\r\n\x1a\n" + (7).to_bytes(4, "little") + bytes(200), "is of format 7, this facekp reads 1: update"),
        (b"\x89FKP\r\n\x1a\n" + (1).to_bytes(4, "little") + bytes(200), "its header is damaged"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "odd.fkp"
    path.write_bytes(content)
    assert says in refused(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "no.fkp", tmp_path):
        with pytest.raises(DatasetError, match=f"{path.name}: cannot read this packed cache"):
            Packed(path)
    with pytest.raises(ArgumentError, match="on_error"):
        Packed(tmp_path / "no.fkp", on_error="hope")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda arrays, about: arrays.pop("crc"), "crc"),
        (lambda arrays, about: about.pop("schema"), "schema"),
        (lambda arrays, about: about["schema"].pop("names"), "names"),
        (lambda arrays, about: arrays.update(size=arrays["size"] * 99), "outside of the file's pixels"),
        (lambda arrays, about: arrays.update(text_end=arrays["text_end"] + 1), "outside of the file's pixels"),
        (lambda arrays, about: arrays.update(keypoints=arrays["keypoints"][:, :2]), "keypoints have another shape"),
    ],
)
def test_labels_that_contradict_each_other_are_refused(
    out: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Any, Any], None], says: str
) -> None:
    """As another program might write them: every checksum is right."""
    from facekp.datasets import packed_file

    right = packed_file.PackWriter.finish

    def finish(self: Any, arrays: Any, about: Any) -> None:
        change(arrays, about)
        right(self, arrays, about)

    monkeypatch.setattr(packed_file.PackWriter, "finish", finish)
    with pytest.raises(DatasetError, match=f"do not fit together .*{says}"):
        pack([face(1), face(2)], out)


# ---------------------------------------------------------------- writing


def test_a_stopped_run_leaves_nothing_and_keeps_what_was_there(out: Path) -> None:
    def faces() -> Iterator[Sample]:
        yield face(1)
        assert out.with_name("faces.fkp.part").is_file()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(faces(), out)
    assert list(out.parent.iterdir()) == []
    pack([face(2)], out)
    with pytest.raises(KeyboardInterrupt):
        pack(faces(), out)
    assert [p.name for p in out.parent.iterdir()] == ["faces.fkp"]
    assert Packed(out)[0].subject == "person 2"


def test_a_half_written_file_is_not_taken(out: Path) -> None:
    def faces() -> Iterator[Sample]:
        yield face(1)
        out.with_name("killed.fkp").write_bytes(out.with_name("faces.fkp.part").read_bytes() or bytes(900))
        yield face(2)

    pack(faces(), out)
    refused(out.with_name("killed.fkp"))


def test_nothing_else_is_overwritten(out: Path) -> None:
    out.write_text("<dataset/>")
    with pytest.raises(ArgumentError, match="is no packed cache"):
        pack([face(1)], out)
    assert out.read_text() == "<dataset/>"
    with pytest.raises(ArgumentError, match="is a directory"):
        pack([face(1)], out.parent)
    with pytest.raises(DatasetError, match="cannot be written"):
        pack([face(1)], out / "below" / "a.fkp")
    with pytest.raises(ArgumentError, match="is a directory"):
        pack([face(1)], Path())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipes_and_devices_are_not_packed_into(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArgumentError, match="pipe: is a device, a pipe or a socket; name a file"):
        pack([face(1)], tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()


def test_a_full_disk_is_one_error_and_leaves_nothing(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("facekp.datasets.packed_file.os.fsync", full)
    with pytest.raises(DatasetError, match=r"faces\.fkp: cannot be written \(No space left on device\)"):
        pack([face(1)], out)
    assert list(out.parent.iterdir()) == []


def test_faces_that_cannot_be_packed_stop_or_are_listed(
    out: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torn = tmp_path / "torn.png"
    torn.write_bytes(b"\x89PNG\r\n\x1a\n no more")
    nowhere = face(5, keypoints=np.full((3, 2), np.nan, np.float32))
    faces = [face(1), face(2, path=torn, pixels=None), nowhere, face(3)]
    with pytest.raises(DatasetError, match=r"face 1 \(from 0\), 2\.png: cannot be packed .*torn\.png"):
        pack(faces, out)
    source = datasets.SampleSet(faces, THREE, "four")
    source.skipped = [DatasetError("the reader's own")]
    steps: list[int] = []
    packed = pack(source, out, on_error="skip", progress=lambda: steps.append(1))
    assert [s.subject for s in packed] == ["person 1", "person 3"]
    assert [str(e).partition(":")[0] for e in packed.skipped] == [
        "the reader's own",
        "face 1 (from 0), 2.png",
        "face 2 (from 0), 5.png",
    ]
    assert len(steps) == 4
    assert "2 faces left out, 2 packed" in caplog.text
    with pytest.raises(DatasetError, match=r"there is no face to pack; the first of 1: face 0"):
        pack([nowhere], out, on_error="skip")
    assert len(Packed(out)) == 2  # still what was there


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"side": 8}, "side must be at least 16"),
        ({"scale": 0.5}, "scale at least 1"),
        ({"scale": float("nan")}, "scale at least 1"),
        ({"scale": float("inf")}, "scale at least 1"),
        ({"box": "source"}, "choose one of: face, full"),
        ({"on_error": "ignore"}, "choose one of: raise, skip"),
    ],
)
def test_wrong_arguments_are_named(out: Path, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        pack([face(1)], out, **options)
    assert not out.exists()


def test_what_has_no_place_is_refused(out: Path) -> None:
    other = face(2, schema=schema.get("ibug68"), keypoints=np.zeros((68, 2), np.float32))
    with pytest.raises(ArgumentError, match="sample 1 has schema ibug68, those before three"):
        pack([face(1), other], out)
    with pytest.raises(ArgumentError, match=r"face 0 \(from 0\), None: meta\['x'\] is a set"):
        pack([face(1, meta={"x": {1}})], out)
    changed = face(1)
    changed.keypoints = np.zeros((2, 2), np.float32)
    with pytest.raises(ArgumentError, match=r"three has other points than \(2, 2\)"):
        pack([changed], out)
    with pytest.raises(DatasetError, match="there is no face to pack"):
        pack([], out)


# ---------------------------------------------------------------- the command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A 300-W in the small."""
    root = tmp_path / "300w"
    (root / "afw").mkdir(parents=True)
    for i in range(3):
        points = schema.get("ibug68").mean_shape * 40 + 30
        assert cv2.imwrite(str(root / "afw" / f"{i}.png"), np.full((60, 60, 3), 50 * i, np.uint8))
        datasets.write_pts(root / "afw" / f"{i}.pts", points)
    return root


def test_the_command_packs(folder: Path, out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["pack", str(folder), str(out), "--split", "afw", "--side", "64"]) == 0
    captured = capfd.readouterr()
    assert captured.out == f"{out}: 3 faces of ibug68, 0.0 MB\n"
    assert captured.err == ""
    packed = Packed(out)
    assert tuple(packed.packing) == (64, 2.0)
    assert [s.meta["name"] for s in packed] == ["afw/0.png", "afw/1.png", "afw/2.png"]
    assert cli.main(["pack", str(out), str(out.with_name("b.fkp")), "--box", "full"]) == 0


def test_the_command_leaves_out_what_it_is_told_to(folder: Path, out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "afw" / "1.png").write_bytes(b"no picture")
    words = ["pack", str(folder), str(out), "--format", "300w", "--split", "afw"]
    assert cli.main(words) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert "afw/1.png" in captured.err
    assert not out.exists()
    assert cli.main([*words, "--skip"]) == 0
    assert capfd.readouterr().out.endswith("2 faces of ibug68, 0.0 MB, 1 left out\n")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--side", "3"], "side must be at least 16"),
        (["--scale", "0"], "scale at least 1"),
        (["--box", "none"], "--box"),
        (["--format", "paper"], "unknown data set format 'paper'"),
        (["--schema", "none.json", "--format", "pts"], "none.json"),
        (["--split", "nothing"], "300-W split or folder"),
        ([], "which split"),
    ],
)
def test_wrong_words_are_one_line(
    folder: Path, out: Path, capfd: pytest.CaptureFixture[str], options: list[str], says: str
) -> None:
    if options and options[0] in ("--side", "--scale", "--box"):
        options = [*options, "--split", "afw"]
    assert cli.main(["pack", str(folder), str(out), *options]) == 2
    captured = capfd.readouterr()
    assert says in captured.err
    assert len(captured.err.splitlines()) == 1
    assert list(out.parent.glob("faces*")) == []


def test_a_missing_source_is_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["pack", str(tmp_path / "none"), str(tmp_path / "o.fkp")]) == 2
    assert "no such file or folder" in capfd.readouterr().err
