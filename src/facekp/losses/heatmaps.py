"""Losses between heatmaps; ``mask`` is ``(..., K)``."""

from __future__ import annotations

import torch
from torch import Tensor

from .points import masked_mean

__all__ = ["cross_entropy"]


def cross_entropy(logits: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Cross-entropy of the spatial softmax of ``logits`` to ``target``: ``logsumexp(z) - <t, z>``, in nats per map.

    As the target sums to 1 this is ``-sum t log softmax(z)``; its least value is the target's own entropy.

    Args:
        logits: ``(..., K, H, W)``.
        target: ``(..., K, H, W)``, each map summing to 1.
        mask: ``(..., K)`` bool.
    """
    flat = logits.flatten(-2)
    agreement = torch.linalg.vecdot(target.flatten(-2).to(flat.dtype), flat)
    return masked_mean(torch.logsumexp(flat, -1) - agreement, mask)
