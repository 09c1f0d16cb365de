"""Gaussian or disc, which sigma, which loss, which decoder: one controlled comparison.

    python benchmarks/representations.py ../shared/data [--runs out/representations]

The same small U-Net, the same faces in the same order, the same augmentation, schedule and seeds; only the target
(a Gaussian of sigma 1.5, 3, 7, 9 or 11, or a disc of radius 3, for an input of 224 pixels) and the loss (mean squared
error or cross-entropy over the cells) change. Every network is then read by every decoder. The NME is that of the
validation list of 300-W's training folders (201 faces), which the networks do not see; what a decoder has to choose
(a temperature, a threshold) is chosen on 200 of the training faces.

Runs are kept in --runs and not repeated. The table goes to benchmarks/results/representations.json. About five hours
of one core (--part shares them out); --epochs 1 --seeds 1 is a rehearsal.
"""

from __future__ import annotations

import argparse
import ctypes
import itertools
import json
import math
import platform
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import facekp
from facekp import decoders, heatmap, losses, metrics, models, schema, transforms
from facekp.training import data, recipe

ROOT = Path(__file__).parents[1]
INPUT, MAPS, FRAME = 128, 64, 224  # FRAME: the input for which sigmas and radii are given
SIGMAS, RADIUS = (1.5, 3.0, 7.0, 9.0, 11.0), 3.0
# Half of the 68 points, outer eye corners included: the maps' losses are most of the work on a CPU.
JAW, BROWS, NOSE = [*range(0, 17, 2)], [17, 19, 21, 22, 24, 26], [27, 30, 31, 33, 35]
EYES, MOUTH = [36, 38, 39, 41, 42, 43, 45, 46], [48, 51, 54, 57, 60, 62, 64, 66]
POINTS = JAW + BROWS + NOSE + EYES + MOUTH
NETWORK = {
    "name": "unet",
    "points": len(POINTS),
    "channels": [16, 32, 64, 96, 128],
    "convs": 1,
    "stride": INPUT // MAPS,
}
BATCH, RATE, DECAY, EPOCHS, SEEDS = 32, 3e-3, 1e-4, 10, 3
TUNING = 200
TEMPERATURES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
THRESHOLDS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7)


@dataclass(frozen=True)
class Run:
    """One network: what it learned, and from which seed."""

    target: str
    loss: str
    seed: int
    sigma: float | None = None

    def __str__(self) -> str:
        return f"{self.target}{'' if self.sigma is None else f'-{self.sigma:g}'}-{self.loss}-seed{self.seed}"

    @property
    def width(self) -> float:
        """Sigma or radius on the maps."""
        return (RADIUS if self.sigma is None else self.sigma) * MAPS / FRAME

    def draw(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Target maps, which sum to 1 for the cross-entropy, and what of them counts."""
        size, stride = (MAPS, MAPS), INPUT / MAPS
        if self.target == "gaussian":
            normalize = "sum" if self.loss == "cross_entropy" else "peak"
            return heatmap.gaussian(points, size, self.width, stride, normalize=normalize)
        maps, mask = heatmap.disc(points, size, self.width, stride)
        if self.loss == "cross_entropy":
            maps = maps / maps.sum((-2, -1), keepdim=True).clamp_min(1)
        return maps, mask

    def cost(self, output: Tensor, points: Tensor) -> Tensor:
        maps, mask = self.draw(points)
        if self.loss == "cross_entropy":
            return losses.heatmap_cross_entropy(output, maps, mask=mask)
        # A sum over the cells, not a mean: Adam's epsilon must not decide between the two losses.
        return losses.heatmap_mse(output, maps, mask=mask) * MAPS**2


def runs(seeds: int) -> list[Run]:
    """All of them, seed by seed: what is done when time is short is one whole table."""
    kinds = [partial(Run, "gaussian", loss, sigma=s) for s, loss in itertools.product(SIGMAS, ("mse", "cross_entropy"))]
    kinds += [partial(Run, "disc", loss) for loss in ("mse", "cross_entropy")]
    return [kind(seed=seed) for seed in range(seeds) for kind in kinds]


class Faces:
    """The faces of 300-W's training folders, cut out once and kept in memory."""

    def __init__(self, root: Path) -> None:
        values = {
            "name": "representations",
            "data": {"root": str(root), "sets": [{"name": "300w", "root": "300w"}], "validation": "300w"},
            "crop": {"size": [INPUT, INPUT], "scale": 1.3},
            "network": NETWORK,
            "codec": {"name": "soft_argmax"},
        }
        values["data"] |= {"cache_scale": 1.9, "cache_side": 224}
        plan = recipe.check(values, "representations")
        train, validation = data.split(plan.data)
        self.train = data.CropDataset(train, plan, "none")
        self.validation = data.CropDataset(validation, plan, "none")
        crop = transforms.CropToBox((INPUT, INPUT), plan.crop.scale)
        turn = transforms.RandomAffine(angle=20, scale=0.15, shift=0.05)
        light = [transforms.Colour(p=0.5), transforms.Tone(p=0.5)]
        self.augment = transforms.Compose([crop, transforms.Mirror(), turn, *light])

    def batches(self, seed: int, epoch: int) -> Any:
        """Augmented batches: the same for every run of a seed."""
        order = np.random.default_rng((seed, epoch)).permutation(len(self.train.samples))
        for first in range(0, len(order) - BATCH + 1, BATCH):
            views = [
                self.augment(self.train.samples[i], np.random.default_rng((seed, epoch, int(i))))
                for i in order[first : first + BATCH]
            ]
            pixels = np.stack([v.image for v in views]).transpose(0, 3, 1, 2)
            yield normalised(torch.from_numpy(pixels)), torch.from_numpy(np.stack([v.keypoints[POINTS] for v in views]))


def normalised(pixels: Tensor) -> Tensor:
    return pixels.float().sub_(127.5).div_(64).contiguous(memory_format=torch.channels_last)


def train(run: Run, faces: Faces, epochs: int) -> tuple[nn.Module, list[float]]:
    """Train one network; returns it with its loss per epoch."""
    torch.manual_seed(run.seed)
    network = models.from_config(NETWORK).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY, fused=True)
    steps = epochs * (len(faces.train) // BATCH)
    warm = max(1, steps // 30)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda i: min((i + 1) / warm, 0.5 * (1 + math.cos(math.pi * i / steps)) + 1e-3)
    )
    curve = []
    for epoch in range(epochs):
        total = 0.0
        for images, points in faces.batches(run.seed, epoch):
            with torch.autocast("cpu", torch.bfloat16):
                output = network(images)
            cost = run.cost(output.float(), points)
            optimiser.zero_grad()
            cost.backward()
            optimiser.step()
            schedule.step()
            total += cost.item()
        curve.append(total / (len(faces.train) // BATCH))
    return network.eval(), curve


@torch.inference_mode()
def outputs(network: nn.Module, crops: data.CropDataset, count: int | None = None) -> tuple[Tensor, np.ndarray]:
    """Maps of the first ``count`` faces and their true points in crop pixels."""
    chosen = range(len(crops) if count is None else count)
    pairs = [crops[i] for i in chosen]
    maps = [network(normalised(image[None])) for image, _ in pairs]
    return torch.cat(maps).float(), np.stack([points.numpy()[POINTS] for _, points in pairs])


def readers(run: Run) -> dict[str, list[decoders.Codec]]:
    """The decoders by name, each with its choices; of these the best on training faces is taken."""
    common: dict[str, Any] = {"input_size": (INPUT, INPUT), "heatmap_size": (MAPS, MAPS)}
    # Of a disc, DARK gets the Gaussian of the same variance per axis.
    sigma = run.width if run.target == "gaussian" else run.width / 2
    loss = f"heatmap_{run.loss}"
    drawn = common | {"sigma": sigma, "loss": loss}
    return {
        "argmax": [decoders.create("argmax", **drawn)],
        "argmax, quarter": [decoders.create("argmax", quarter=True, **drawn)],
        "weighted_argmax": [decoders.create("weighted_argmax", threshold=0.0, **drawn)],
        "weighted_argmax, cut": [decoders.create("weighted_argmax", threshold=t, **drawn) for t in THRESHOLDS],
        "soft_argmax": [decoders.create("soft_argmax", temperature=t, **common) for t in TEMPERATURES],
        "dark": [decoders.create("dark", **drawn)],
    }


def measure(run: Run, network: nn.Module, faces: Faces) -> dict[str, dict[str, Any]]:
    """NME on the validation faces by decoder."""
    layout = schema.get("ibug68")
    layout = layout.subset([layout.names[i] for i in POINTS])
    tuning, validation = outputs(network, faces.train, TUNING), outputs(network, faces.validation)

    def error(codec: decoders.Codec, maps: Tensor, truth: np.ndarray) -> float:
        return float(np.nanmean(metrics.nme(codec.decode(maps)[0].numpy(), truth, layout)))

    rows = {}
    for name, choices in readers(run).items():
        best = min(choices, key=lambda codec: error(codec, *tuning)) if len(choices) > 1 else choices[0]
        options = best.to_config()
        chosen = {k: options[k] for k in ("temperature", "threshold") if len(choices) > 1 and k in options}
        rows[name] = {"nme": round(error(best, *validation), 5), **chosen}
    return rows


def ready(run: Run, faces: Faces, folder: Path, epochs: int) -> tuple[nn.Module, dict[str, Any]]:
    """The trained network of a run, from its file where there is one."""
    weights, log = folder / f"{run}.safetensors", folder / f"{run}.json"
    if not log.exists():
        start = time.perf_counter()
        network, curve = train(run, faces, epochs)
        save_file({k: v.contiguous() for k, v in network.state_dict().items()}, weights)
        log.write_text(json.dumps({"epochs": epochs, "seconds": round(time.perf_counter() - start), "loss": curve}))
        print(f"{run}: {json.loads(log.read_text())['seconds']} s, loss {curve[0]:.3f} to {curve[-1]:.3f}", flush=True)
    network = models.from_config(NETWORK).to(memory_format=torch.channels_last)
    network.load_state_dict(load_file(weights))
    return network.eval(), json.loads(log.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("out/representations"))
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--part", default="0/1", help="i/n: only train, every n-th run from the i-th")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    keep_memory()
    given.runs.mkdir(parents=True, exist_ok=True)
    faces = Faces(given.data)
    part, parts = (int(v) for v in given.part.split("/"))
    mine = runs(given.seeds)[part::parts]
    for run in mine:
        ready(run, faces, given.runs, given.epochs)
    if parts > 1:
        return
    rows = []
    for run in mine:
        network, log = ready(run, faces, given.runs, given.epochs)
        rows.append({**asdict(run), "loss_last": round(log["loss"][-1], 4), "decoders": measure(run, network, faces)})
        print(run, {k: v["nme"] for k, v in rows[-1]["decoders"].items()}, flush=True)
    environment = {
        "facekp": facekp.__version__,
        "torch": torch.__version__,
        "machine": f"{platform.machine()}, {given.threads} threads",
    }
    setting = {"network": NETWORK, "input": INPUT, "maps": MAPS, "frame": FRAME, "epochs": given.epochs, "batch": BATCH}
    setting |= {"lr": RATE, "weight_decay": DECAY, "train": len(faces.train), "validation": len(faces.validation)}
    path = ROOT / "benchmarks" / "results" / "representations.json"
    path.write_text(json.dumps({"setting": setting, "environment": environment, "runs": rows}, indent=1) + "\n")


def keep_memory() -> None:
    """Let glibc keep freed blocks: handing them back and forth takes a third of a step's time on a CPU."""
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(-4, 0)  # M_MMAP_MAX
        libc.mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD


if __name__ == "__main__":
    main()
