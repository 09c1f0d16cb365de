"""Draw ``docs/assets/losses.svg``: the point losses and their slopes, from the functions themselves.

python docs/draw_losses.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import torch

mpl.use("svg")
from matplotlib import pyplot as plt

from facekp import losses

PICTURE = Path(__file__).parent / "assets" / "losses.svg"
STYLES = {
    "mse": ("#7f7f7f", "-"),
    "l1": ("#000000", "-"),
    "smooth_l1": ("#0072b2", "--"),
    "wing": ("#d55e00", "-"),
    "soft_wing": ("#009e73", "-"),
    "rectified_wing": ("#cc79a7", "--"),
}


def curve(name: str, error: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss and slope of a point that is off by ``error`` pixels in both coordinates."""
    pred = error[:, None].expand(-1, 2).clone().requires_grad_()
    value = losses.LOSSES[name](pred[:, None], torch.zeros_like(pred)[:, None], reduction="none")[:, 0]
    (slope,) = torch.autograd.grad(value.sum(), pred)
    return value.detach(), slope.sum(-1)


def main() -> None:
    plt.rcParams.update({"svg.hashsalt": "losses", "svg.fonttype": "none", "font.size": 9, "font.family": "sans-serif"})
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.4), layout="constrained")
    error = torch.linspace(-15, 15, 400, dtype=torch.float64)  # an even number: none at the kink
    for name, (colour, line) in STYLES.items():
        for axes, values in zip((left, right), curve(name, error), strict=True):
            axes.plot(error, values, line, color=colour, label=name, linewidth=1.6)
    left.set(title="loss", xlabel="error in pixels", xlim=(-15, 15), ylim=(0, 40))
    right.set(title="slope", xlabel="error in pixels", xlim=(-15, 15), ylim=(-9, 9))
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    left.legend(frameon=False, loc="upper center", fontsize=8)
    figure.savefig(PICTURE, metadata={"Date": None})


if __name__ == "__main__":
    main()
