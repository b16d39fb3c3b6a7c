"""Heads that are learned in torch, from the identity on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from facebatch.models.torch_runtime import single_thread
from facebatch.train.batches import PKSampler
from facebatch.train.objective import Objective
from facebatch.train.settings import Loss

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


def learned_head(
    loss: Loss,
    embeddings: Floats,
    labels: Labels,
    seed: int,
    how: tuple[int, int, int, float],
) -> Floats:
    """Returns a head, float32 (d, d).

    Args:
        loss: What is minimised.
        embeddings: (n, d) float32, rows of length 1.
        labels: (n,) the person of each.
        seed: Seed of the batches and of what classification begins with.
        how: Steps, people a batch, photos of each, learning rate.
    """
    single_thread()  # the matrices are small
    steps, people, photos, rate = how
    person = np.unique(labels, return_inverse=True)[1]
    rows = [np.flatnonzero(person == each) for each in range(int(person.max()) + 1)]
    sampler = PKSampler([each.astype(np.int64) for each in rows], people, photos, seed)
    given = torch.from_numpy(embeddings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        objective = Objective(loss, "batch-hard", embeddings.shape[1], len(rows))
    head = torch.eye(embeddings.shape[1], requires_grad=True)
    optimizer = torch.optim.Adam([head], rate)
    if parameters := [*objective.parameters()]:
        optimizer.add_param_group({"params": parameters, "lr": 10 * rate})
    for number in range(steps):
        chosen, who = sampler.batch(number)
        optimizer.zero_grad()
        parts = objective(given[torch.from_numpy(chosen)] @ head, torch.from_numpy(who))
        sum(parts.values(), torch.zeros(())).backward()
        optimizer.step()
    found: Floats = head.detach().numpy()
    return found
