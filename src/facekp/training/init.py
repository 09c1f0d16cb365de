"""Fine-tuning: a network starts with the weights of a trained model, perhaps of other points."""

from __future__ import annotations

import logging
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .. import hub
from ..decoders import Codec, SoftArgmax
from ..errors import RecipeError
from ..schema import KeypointSchema
from .recipe import KeypointRecipe

__all__ = ["Rows", "rows", "start", "transfer"]

log = logging.getLogger(__name__)


class Rows(NamedTuple):
    """Which rows of the last layer belong to the same points.

    Attributes:
        before: rows in the trained model.
        after: rows in the new network.
        take: rows of the trained model ...
        put: ... and where they go.
    """

    before: int
    after: int
    take: list[int]
    put: list[int]


def start(recipe: KeypointRecipe, network: nn.Module, codec: Codec, schema: KeypointSchema) -> None:
    """Give the network what it can take of the model that ``recipe.init`` names.

    Tensors of the same name and shape are taken.  The last layer is new, but for the rows of points that have the same
    name in both schemas.  A grey network takes the sum over colours of the first filters.

    Raises:
        HubError: there is no such model, or its config is incomplete.
        RecipeError: it has nothing that fits the network.
    """
    bundle = hub.load(str(recipe.init), kind="keypoints")
    facts = bundle.facts()
    old = facts.schema
    same = rows(facts.codec, old, codec, schema)
    taken = transfer(network, bundle.state, same)
    if not taken:
        raise RecipeError(
            f"init: {recipe.init} has no weights that fit network {recipe.network}; "
            f"its own is {bundle.config.get('network')}"
        )
    pixels = bundle.config.get("preprocessing", {})
    if {"clahe": 0.0} | {key: value for key, value in pixels.items() if key != "color"} != recipe.pixels.model_dump():
        log.warning("init: %s saw other pixels than the recipe's: %s", recipe.init, pixels)
    shared = len(set(old.names) & set(schema.names))
    state = network.state_dict()
    log.info(
        "init: %d of %d tensors from %s; %d of %d points are in both",
        len(taken),
        len(state),
        recipe.init,
        shared,
        len(schema),
    )


def rows(before: Codec, old: KeypointSchema, after: Codec, new: KeypointSchema) -> Rows:
    """The rows of points that share a name; none where a codec does not keep a point's rows together.

    Args:
        before: the trained model's codec.
        old: the trained model's points.
        after: the new codec.
        new: the new points.
    """
    counts = []
    for codec, schema in ((before, old), (after, new)):
        # SimCC's linear layer is the same for all points: theirs are the maps before it.
        counts.append(len(schema) if codec.name == "simcc" else codec.channels(len(schema)))
    shared = [(old.names.index(name), i) for i, name in enumerate(new.names) if name in old.names]
    if isinstance(before, SoftArgmax) and isinstance(after, SoftArgmax):  # all maps, and then the ratings
        halves = range(2 if before.rated and after.rated else 1)
        take = [half * len(old) + a for half in halves for a, _ in shared]
        return Rows(counts[0], counts[1], take, [half * len(new) + b for half in halves for _, b in shared])
    if old.names == new.names and counts[0] == counts[1]:
        return Rows(counts[0], counts[1], list(range(counts[0])), list(range(counts[1])))
    each = counts[1] // len(new)
    together = each == 1 or (each == 2 and after.output == "vector")
    if not together or counts[0] != each * len(old) or before.output != after.output:
        return Rows(counts[0], counts[1], [], [])
    take = [each * a + j for a, _ in shared for j in range(each)]
    return Rows(counts[0], counts[1], take, [each * b + j for _, b in shared for j in range(each)])


@torch.no_grad()
def transfer(network: nn.Module, state: dict[str, Tensor], same: Rows) -> list[str]:
    """Copy what fits from a trained state into a network.

    Returns:
        The names of the tensors that were taken, wholly or in part.
    """
    taken = []
    own = network.state_dict()
    last = _last(own, same.after)
    for key, value in own.items():
        given = state.get(key)
        if given is None:
            continue
        if key.rpartition(".")[0] == last:
            if len(given) == same.before and given.shape[1:] == value.shape[1:] and same.put:
                value[same.put] = given[same.take].to(value)
                taken.append(key)
        elif given.shape == value.shape:
            value.copy_(given)
            taken.append(key)
        elif value.ndim == 4 and value.shape[1] == 1 and given.shape == (len(value), 3, *value.shape[2:]):
            value.copy_(given.sum(1, keepdim=True))
            taken.append(key)
    return taken


def _last(state: dict[str, Tensor], count: int) -> str:
    """The name of the layer that gives the answer: the last one with so many rows."""
    layers = [key.rpartition(".")[0] for key, value in state.items() if value.ndim > 1 and len(value) == count]
    return layers[-1] if layers else ""
