"""The training itself: batches, phases, schedule, averaged weights, early stopping, checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from facebatch.errors import UsageError
from facebatch.train import checkpoint, nets
from facebatch.train.augment import augment
from facebatch.train.batches import PKSampler
from facebatch.train.metrics import Metrics, Progress
from facebatch.train.objective import Objective, miner_of, squared
from facebatch.train.people import NamedChips, Split, draw_pairs
from facebatch.train.settings import TrainSettings
from facebatch.train.verification import Embed, HeldOut, figures, mirrored
from facebatch.workers.threads import ahead

CHECKPOINT = "checkpoint.pt"

_WARM_UP = 0.05
"""Share of the steps in which the learning rate rises."""

_WEIGHT_DECAY = 5e-4
_CLASSES_RATE = 10.0
"""How much faster the weights of classes learn."""

_EMA = 0.998
_LARGEST_GRADIENT = 5.0


@dataclass(frozen=True, eq=False)
class Trained:
    """A network that was trained.

    Args:
        net: It, with the averaged weights of the best evaluation, in evaluation mode.
        step: The step of that evaluation.
        steps: Steps that were made.
        best: The figures of that evaluation.
        stopped_early: Whether it was stopped because nothing got better.
        seconds: How long it took, with what was done before it was cut off.
        device: Where.
    """

    net: nn.Module
    step: int
    steps: int
    best: dict[str, Any]
    stopped_early: bool
    seconds: float
    device: str


@dataclass(frozen=True)
class Triplet:
    """Three chips, by their rows, and d2 from the anchor to the other two."""

    anchor: int
    positive: int
    negative: int
    near: float
    far: float


class Training:
    """A training in a folder; one that was stopped at any moment goes on at its checkpoint.

    Args:
        chips: The people.
        split: Who of them is trained on.
        settings: How.
        folder: Where checkpoint and metrics go; it is there.
        weights: As `facebatch.train.nets.build` takes them.
        device: ``cpu``, ``cuda`` or ``mps``; the GPUs are written, not run.
        tensorboard: Whether TensorBoard's files are written.

    Raises:
        UsageError: The folder holds another training, or TensorBoard isn't installed.
        WeightsError: The weights are missing, or are another network's.
    """

    def __init__(
        self,
        chips: NamedChips,
        split: Split,
        settings: TrainSettings,
        folder: Path,
        *,
        weights: str | None = None,
        device: str = "cpu",
        tensorboard: bool = False,
    ) -> None:
        self._settings, self._chips, self._folder = settings, chips, folder
        self._where = torch.device(device)
        self._about = {**asdict(settings), "data": chips.fingerprint, "weights": weights or ""}
        checkpoint.seed_all(settings.seed)
        self._sampler = PKSampler(
            [chips.rows[name] for name in split.trained],
            settings.people,
            settings.photos,
            settings.seed,
        )
        pairs = draw_pairs(chips, split.stopping, settings.seed)
        self._held_out = HeldOut.of(chips, pairs, settings.side)
        saved = checkpoint.load(folder / CHECKPOINT)
        self._net = nets.build(settings, None if saved else weights).to(self._where)
        self._net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._objective = Objective(
            settings.loss, settings.mining, settings.dimension, len(split.trained)
        ).to(self._where)
        self._ema = AveragedModel(self._net, avg_fn=_averaged, use_buffers=True)
        self._optimizer = torch.optim.AdamW(
            [
                {"params": [*self._net.parameters()], "weight_decay": _WEIGHT_DECAY},
                # Their gradients are small beside their lengths, which mean nothing.
                {
                    "params": [*self._objective.parameters()],
                    "lr": _CLASSES_RATE * settings.rate,
                    "weight_decay": 0.0,
                },
            ],
            settings.rate,
        )
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimizer, self._rate)
        # On a CPU half precision is slower than float32 but for the newest ones.
        self._half = device == "cuda"
        self._scaler = torch.amp.GradScaler("cuda", enabled=self._half)
        self.step = 0
        """Batches that were learned from."""
        self._since, self._best = 0, dict[str, Any]()
        self._seconds, self._begun = 0.0, time.monotonic()
        if saved:
            self._go_on(saved)
        self._metrics = Metrics(folder, tensorboard, self.step)

    def run(self, report: Callable[[Progress], None]) -> Trained:
        """Trains to the end, or until nothing gets better.

        Args:
            report: Called after every batch.
        """
        settings = self._settings
        latest: float | None = self._best["figures"]["accuracy"] if self._best else None
        for pixels, labels in self._batches():
            if self._since >= settings.patience:
                break
            parts = self._learn(pixels, labels)
            self.step += 1
            loss = sum(parts.values())
            values = {"loss": loss, "parts": parts, "rate": self._schedule.get_last_lr()[0]}
            self._metrics.write("train", self.step, values)
            evaluated = self.step % settings.every == 0 or self.step == settings.steps
            if evaluated:
                latest = self._evaluate()
            best = self._best["figures"]["accuracy"] if self._best else None
            report(Progress(self.step, settings.steps, loss, latest, best, evaluated))
        self._ema.module.load_state_dict(self._best["net"])
        return Trained(
            self._ema.module.eval(),
            self._best["step"],
            self.step,
            self._best["figures"],
            self.step < settings.steps,
            self._seconds,
            self._where.type,
        )

    def hardest(self, shown: int) -> list[Triplet]:
        """Returns triplets that the miner chooses from the first batch, the hardest first.

        Args:
            shown: How many at most, each of another person.
        """
        rows, labels = self._sampler.batch(0)
        pixels = self._chips.pixels(rows, self._settings.side)
        embeddings = torch.from_numpy(self.forward(pixels))
        chosen = miner_of(self._settings.mining)(embeddings, torch.from_numpy(labels))
        d2 = squared()(embeddings)
        found: dict[int, tuple[float, Triplet]] = {}
        for a, p, n in zip(*(column.tolist() for column in chosen), strict=True):
            near, far = float(d2[a, p]), float(d2[a, n])
            triplet = Triplet(int(rows[a]), int(rows[p]), int(rows[n]), near, far)
            hardest = found.get(labels[a])
            if hardest is None or far - near < hardest[0]:
                found[labels[a]] = far - near, triplet
        return [triplet for _, triplet in sorted(found.values(), key=lambda one: one[0])][:shown]

    @property
    def forward(self) -> Embed:
        """The averaged network as a function of chips."""
        return forward_of(self._ema.module, self._where)

    def _rate(self, step: int) -> float:
        warm = max(1, round(_WARM_UP * self._settings.steps))
        if step < warm:
            return (step + 1) / warm
        along = (step - warm) / max(1, self._settings.steps - warm)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, along)))

    def _batches(self) -> Iterator[tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]]:
        """Yields the batches that are still to come; the next ones are decoded meanwhile."""

        def decoded(number: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
            rows, labels = self._sampler.batch(number)
            return self._chips.pixels(rows, self._settings.side), labels

        for batch in ahead(decoded, range(self.step, self._settings.steps), 2):
            yield batch.result()

    def _learn(
        self, pixels: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64]
    ) -> dict[str, float]:
        self._set_phase()
        inputs = normalised(augment(tensor_of(pixels, self._where)))
        self._optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self._where.type, torch.float16, enabled=self._half):
            embeddings = self._net(inputs)
        parts = self._objective(embeddings.float(), torch.from_numpy(labels).to(self._where))
        self._scaler.scale(sum(parts.values())).backward()
        self._scaler.unscale_(self._optimizer)
        nn.utils.clip_grad_norm_(self._net.parameters(), _LARGEST_GRADIENT)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._schedule.step()
        self._ema.update_parameters(self._net)
        return {name: float(value.detach()) for name, value in parts.items()}

    def _set_phase(self) -> None:
        """Lets the last layers alone learn, or all of them."""
        frozen = self.step < self._settings.frozen_steps
        self._net.train(not frozen)
        self._net.requires_grad_(not frozen)
        for layer in nets.last_layers(self._net):
            layer.train()
            layer.requires_grad_(True)

    def _evaluate(self) -> float:
        score = self._held_out.score(partial(mirrored, self.forward))
        found = figures(score)
        better = _rank(found) > (_rank(self._best["figures"]) if self._best else (-1.0, -1.0))
        if better:
            net = {name: value.clone() for name, value in self._ema.module.state_dict().items()}
            self._best = {"net": net, "figures": found, "step": self.step}
        self._since = 0 if better else self._since + 1
        self._metrics.write("evaluation", self.step, found)
        now = time.monotonic()
        self._seconds, self._begun = self._seconds + now - self._begun, now
        checkpoint.save(
            self._folder / CHECKPOINT,
            {
                "about": self._about,
                "step": self.step,
                "since": self._since,
                "seconds": self._seconds,
                "best": self._best,
                **{name: part.state_dict() for name, part in self._parts().items()},
            },
        )
        accuracy: float = found["accuracy"]
        return accuracy

    def _parts(self) -> dict[str, Any]:
        return {
            "net": self._net,
            "ema": self._ema,
            "objective": self._objective,
            "optimizer": self._optimizer,
            "schedule": self._schedule,
            "scaler": self._scaler,
        }

    def _go_on(self, saved: dict[str, Any]) -> None:
        differ = [name for name, value in self._about.items() if saved["about"][name] != value]
        if differ:
            name = differ[0]
            what = "people or chips" if name == "data" else f"--{name.replace('_', '-')}"
            raise UsageError(
                f"{self._folder} holds a training with another {what}: choose another place, or "
                f"remove {CHECKPOINT} to begin anew"
            )
        for name, part in self._parts().items():
            if saved[name] or name != "scaler":  # which a CPU has none of, and a GPU begins anew
                part.load_state_dict(saved[name])
        self.step, self._since, self._best = saved["step"], saved["since"], saved["best"]
        self._seconds = saved["seconds"]
        checkpoint.restore_random(saved)


def tensor_of(pixels: npt.NDArray[np.uint8], where: torch.device) -> torch.Tensor:
    """Returns chips uint8 (n, side, side, 3) as float32 (n, 3, side, side), 0..255."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).to(where).permute(0, 3, 1, 2).float()


def normalised(pixels: torch.Tensor) -> torch.Tensor:
    """Returns pixels 0..255 as the networks read them."""
    return ((pixels - nets.MEAN) / nets.STD).contiguous(memory_format=torch.channels_last)


def forward_of(net: nn.Module, where: torch.device) -> Embed:
    """Returns a network as a function of chips; it is put into evaluation mode."""
    net.eval()

    def forward(chips: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            found: npt.NDArray[np.float32] = net(normalised(tensor_of(chips, where))).cpu().numpy()
        return found

    return forward


def _averaged(mean: torch.Tensor, new: torch.Tensor, count: torch.Tensor | int) -> torch.Tensor:
    """The exponential moving average, whose memory is short in the beginning."""
    decay = min(_EMA, (1 + float(count)) / (10 + float(count)))
    return mean + (new - mean) * (1 - decay)


def _rank(found: dict[str, Any]) -> tuple[float, float]:
    return found["accuracy"], found["auc"] or 0.0
