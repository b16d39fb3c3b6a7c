"""What a training is asked for, and what it needs installed."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args, get_type_hints

from facebatch.errors import UsageError

Backbone = Literal["mobilenetv1", "inception-resnet-v1"]
Loss = Literal["triplet", "ce", "ce+triplet", "arcface"]
Mining = Literal["batch-hard", "semi-hard"]

SIDES = {"mobilenetv1": 112, "inception-resnet-v1": 160}
"""Side of the chips that a backbone reads where nothing else is asked for, in pixels."""

DIMENSIONS = (128, 512)
_SEEDS = 2**32
"""How many seeds NumPy's generator for everything knows."""

_SMALLEST_SIDE = {"mobilenetv1": 32, "inception-resnet-v1": 80}


@dataclass(frozen=True)
class TrainSettings:
    """What a training is asked for; a training that goes on must be asked for the same.

    Args:
        backbone: The network.
        dimension: Length of its embeddings, 128 or 512.
        width: Factor of all channels of ``mobilenetv1``, 0 to 1.
        side: Side of the chips it reads, in pixels.
        loss: What is minimised.
        mining: Which triplets of a batch count.
        people: People a batch, two at least.
        photos: Photos of each of them, two at least.
        steps: Batches, if it isn't stopped early.
        frozen_steps: Batches at the beginning in which the last layer alone learns.
        rate: Largest learning rate, of AdamW.
        every: Batches between two evaluations; each is followed by a checkpoint.
        patience: Evaluations without a better one after which it is stopped early.
        held_out: Share of the people that are not trained on. Half of them say when to stop, the
            other half are what the figures are measured on.
        seed: Seed of everything that is drawn.
    """

    backbone: Backbone = "mobilenetv1"
    dimension: int = 128
    width: float = 1.0
    side: int = 112
    loss: Loss = "ce+triplet"
    mining: Mining = "batch-hard"
    people: int = 16
    photos: int = 4
    steps: int = 2000
    frozen_steps: int = 0
    rate: float = 3e-3
    every: int = 100
    patience: int = 10
    held_out: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuses what can't be.

        Raises:
            UsageError: A value isn't one of those that there are, or out of range.
        """
        hints = get_type_hints(type(self))
        for field in fields(self):
            choices: tuple[Any, ...] = get_args(hints[field.name])
            if field.name == "dimension":
                choices = DIMENSIONS
            if choices and getattr(self, field.name) not in choices:
                raise UsageError(
                    f"--{field.name} {getattr(self, field.name)} is none of "
                    f"{', '.join(map(str, choices))}"
                )
        smallest = {"side": _SMALLEST_SIDE[self.backbone], "people": 2, "photos": 2, "every": 1}
        smallest |= {"steps": 1, "frozen_steps": 0, "patience": 1, "seed": 0}
        for name, bound in smallest.items():
            if getattr(self, name) < bound:
                raise UsageError(f"--{name.replace('_', '-')} is at least {bound}")
        for name, value in {"width": self.width, "rate": self.rate}.items():
            if not 0 < value <= 1:
                raise UsageError(f"--{name} is above 0 and at most 1")
        if self.seed >= _SEEDS:
            raise UsageError(f"--seed is below {_SEEDS}")
        if not 0 < self.held_out < 1:
            raise UsageError("--held-out is a share between 0 and 1")
        if self.width != 1 and self.backbone != "mobilenetv1":
            raise UsageError("--width is for mobilenetv1 only")


def need(package: str, extra: str) -> None:
    """Refuses to go on without a package.

    Args:
        package: Its import name.
        extra: The extra of facebatch that brings it.

    Raises:
        UsageError: It isn't installed.
    """
    if importlib.util.find_spec(package) is None:
        raise UsageError(f"{package} isn't installed: pip install 'facebatch[{extra}]'")
