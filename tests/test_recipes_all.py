"""Every recipe of the package: it and its variants load, its network and codec take a step, and its family learns."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from importlib import resources
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("pydantic")
pytest.importorskip("lightning")

from facekp import decoders, models, schema
from facekp.training import module, recipe, space

SCHEMAS = {"300w": "ibug68", "imm": "imm58", "imm_frontal": "imm73", "kaggle": "kaggle15"}
#: Where the layers do not depend on the input's size, a small one shows the same.
SMALL = "crop.size=[64, 64]"
KEYPOINTS = [name for name in recipe.names() if recipe.load(name).task == "keypoints"]
QUICK = [name for name in KEYPOINTS if name.endswith("-quick")]
WHOLE = [name for name in KEYPOINTS if name not in QUICK]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def text(name: str) -> str:
    return (resources.files("facekp") / "recipes" / f"{name}.yaml").read_text("utf-8")


def commands(name: str) -> list[list[str]]:
    """The commands in a recipe's comment, each as its words."""
    return [shlex.split(line) for line in re.findall(r"^#   (facekp .*)$", text(name), re.MULTILINE)]


def variants(name: str) -> list[list[str]]:
    """The overrides of each command in a recipe's comment."""
    found = []
    for _, verb, which, *rest in commands(name):
        assert which == name
        assert set(rest[::2]) == {"--set" if verb == "train" else "--over"}
        found.append(rest[1::2] if verb == "train" else first_of_grid(rest[1::2]))
    return found


def first_of_grid(axes: list[str]) -> list[str]:
    return space.overrides({axis.key: axis.choices[0] for axis in map(space.parse, axes)})


def layout(loaded: Any) -> schema.KeypointSchema:
    """What the recipe's data would have for points."""
    (spec,) = loaded.data.sets
    asked = loaded.data.points or spec.get("keypoints")
    whole = schema.get(SCHEMAS[spec["name"]])
    if spec["name"] == "imm" and asked:  # its reader takes this name for what it calls the nose's base
        asked = ["nose_base" if point == "nose_tip" else point for point in asked]
    return whole.subset(asked) if asked else whole


def of(name: str, *overrides: str) -> tuple[Any, nn.Module, decoders.Codec]:
    loaded = recipe.load(name, overrides)
    points = layout(loaded)
    torch.manual_seed(0)
    return loaded, *module.build(loaded, len(points), points.mean_shape)


def small(name: str) -> list[str]:
    return [] if recipe.load(name).network["name"] == "simple" else [SMALL]


# ---------------------------------------------------------------- what there is


@pytest.mark.parametrize("name", KEYPOINTS)
def test_a_recipe_and_its_variants_are_sound(name: str) -> None:
    for overrides in ([], *variants(name)):
        loaded = recipe.load(name, overrides)
        assert loaded.name == name
        assert layout(loaded)
        if any(override.startswith(("network.", "codec.", "crop.")) for override in overrides):
            module.check(loaded)


def test_every_classic_system_is_a_recipe() -> None:
    systems = [f"nose-tip-a{i}" for i in range(1, 8)] + [f"all-points-b{i}" for i in range(1, 5)]
    systems += [f"300w-c{i}" for i in range(1, 4)] + ["pixelwise-d-", "pixelwise-d2-"]
    systems += [f"kaggle-e-{kind}" for kind in ("simple", "lenet", "vgg", "resnet18", "resnet26", "resnet34", "single")]
    for system in systems:
        found = [name for name in WHOLE if name.startswith(system)]
        assert found, system
        assert all(text(name).startswith("# System ") for name in found)
        assert all(recipe.load(name).title for name in found)


@pytest.mark.parametrize("name", QUICK)
def test_a_quick_variant_is_the_same_system_in_the_small(name: str) -> None:
    quick, whole = recipe.load(name), recipe.load(name.removesuffix("-quick"))
    assert quick.title != whole.title
    assert "quick" in quick.title
    same = ("data", "grey", "pixels", "network", "augment", "optimizer")
    assert not [key for key in same if getattr(quick, key) != getattr(whole, key)]
    assert quick.schedule == whole.schedule.model_copy(update={"step": quick.schedule.step})
    scaled = {"sigma", "radius"}
    assert {k: v for k, v in quick.codec.items() if k not in scaled} == {
        k: v for k, v in whole.codec.items() if k not in scaled
    }
    assert max(quick.crop.size) <= max(whole.crop.size)
    assert quick.epochs <= whole.epochs


def test_the_numbers_that_the_systems_state() -> None:
    def flat(name: str, *overrides: str) -> list[int]:
        return [m.in_features for m in of(name, *overrides)[1].modules() if isinstance(m, nn.Linear)]

    assert flat("nose-tip-a4") == [336, 168]
    assert flat("all-points-b2") == [84, 100]
    assert flat("nose-tip-a6")[-1] == 58
    assert flat("all-points-b4")[-1] == 128
    assert of("300w-c3-resnet18-5x5", SMALL)[1].head.fc.out_features == 136
    assert of("300w-c2-resnet18-grey", SMALL)[1].trunk.conv1.in_channels == 1


@pytest.mark.parametrize("name", ["all-points-b4", "pixelwise-d-resnet34-mse", "300w-c1-resnet34", "kaggle-e-vgg"])
def test_the_price_of_a_recipe_is_known_without_paying_it(name: str) -> None:
    with torch.device("meta"):
        loaded, network, _ = of(name)
        price = models.cost(network, loaded.crop.size)
    assert price.macs > price.parameters > 1e5


# ---------------------------------------------------------------- a step


@pytest.mark.parametrize("name", WHOLE)  # quick variants have the same networks
def test_network_and_codec_take_a_step(name: str) -> None:
    loaded, network, codec = of(name, *small(name))
    (height, width), count = loaded.crop.size, len(layout(loaded))
    images = torch.randint(0, 256, (2, 3, height, width), dtype=torch.uint8)
    points = torch.rand(2, count, 2) * torch.tensor([width - 1.0, height - 1.0])
    if count > 1:
        points[0, 0] = torch.nan  # a missing label
    output = network(module.inputs(images, loaded))
    loss = torch.stack(list(codec.loss(output, codec.encode(points)).values())).sum()
    assert torch.isfinite(loss)
    loss.backward()
    gradients = [p.grad for p in network.parameters()]
    assert all(g is not None and torch.isfinite(g).all() for g in gradients)
    assert any(g.abs().sum() > 0 for g in gradients if g is not None)
    found, scores = codec.decode(output.detach())
    assert found.shape == (2, count, 2)
    assert scores.shape == (2, count)


# ---------------------------------------------------------------- it learns


def faces(points: schema.KeypointSchema, size: tuple[int, int], count: int) -> tuple[Tensor, Tensor]:
    """Pictures with a dot of its own colour at each point of a face that lies anywhere.

    ``(N, 3, H, W)`` uint8, and ``(N, K, 2)``.
    """
    rng, (height, width) = np.random.default_rng(0), size
    colours = np.random.default_rng(1).integers(120, 256, (len(points), 3)).tolist()
    shape = np.asarray(points.mean_shape if points.mean_shape is not None else np.zeros((len(points), 2)), float)
    shape = shape - shape.mean(0)
    shape /= max(np.abs(shape).max(), 1e-9)
    images = np.empty((count, height, width, 3), np.uint8)
    truth = np.empty((count, len(points), 2), np.float32)
    for image, own in zip(images, truth, strict=True):
        centre = rng.uniform(0.4, 0.6, 2) * (width, height)
        own[:] = centre + shape * rng.uniform(0.25, 0.35) * min(size)
        image[:] = rng.integers(0, 100)
        for (x, y), colour in zip(own, colours, strict=True):
            cv2.circle(image, (round(float(x)), round(float(y))), 2, colour, -1)
    return torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), torch.from_numpy(truth)


# A small U-Net and a third of the points: maps take their time on a CPU.
PIXELWISE = [
    "crop.size=[48, 48]",
    "network.channels=[16, 32, 64]",
    "codec.sigma=1",
    "codec.loss=heatmap_cross_entropy",
    "data.points=[jaw]",
    "optimizer.lr=0.01",
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "overrides", "steps"),
    [
        ("nose-tip-a6", [], 80),
        ("all-points-b2", [], 80),
        ("300w-c1-resnet18", [SMALL], 80),
        ("pixelwise-d-unet", PIXELWISE, 100),
        ("kaggle-e-simple", ["optimizer.lr=0.001"], 60),
    ],
)
def test_a_family_learns_sixteen_faces_by_heart(name: str, overrides: list[str], steps: int) -> None:
    loaded, network, codec = of(name, *overrides)
    images, truth = faces(layout(loaded), loaded.crop.size, 16)
    pictures, target = module.inputs(images, loaded), codec.encode(truth)
    optimizer = torch.optim.Adam(network.parameters(), loaded.optimizer.lr)
    rate = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, steps)
    for _ in range(steps):
        loss = torch.stack(list(codec.loss(network(pictures), target).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate.step()
    with torch.inference_mode():
        found, _ = codec.decode(network.eval()(pictures))
    error = (found - truth).norm(dim=-1).mean().item()
    assert error < 0.02 * loaded.crop.size[1]
