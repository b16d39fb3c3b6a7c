"""Embedders in turns on the same machine: faces a second, of one pass on one thread.

    python benchmarks/embedders.py [NAME...] [--rounds 8]
    python benchmarks/embedders.py --batches [--rounds 8]

Without names it takes all whose files are installed. ``--batches`` compares how many chips a call
of OpenVINO reads, for networks of cards. Chips are noise: the time doesn't depend on
what they show. Seconds are of this process's processor, so that other programs count for little.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

import numpy as np
from common import ONE_THREAD

from facebatch.embed import load_embedder
from facebatch.models.embedders import known_embedders
from facebatch.models.registry import card, is_installed, read

_FACES = 64
_BATCHES = (1, 2, 4, 8)


def main() -> None:
    """Prints a line for each embedder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    there = [name for name in known_embedders() if all(map(is_installed, card(name).files))]
    parser.add_argument("names", nargs="*", default=there, metavar="NAME")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--batches", action="store_true", help="chips a call, compared")
    arguments = parser.parse_args()
    os.environ.update(ONE_THREAD)
    if arguments.batches:
        for name in arguments.names:
            if card(name).format in ("onnx", "openvino"):
                compare_batches(name, arguments.rounds)
        return
    embedders = {name: load_embedder(name, "none", device="cpu") for name in arguments.names}
    noise = np.random.default_rng(0)
    chips = {}
    for name in embedders:
        side = card(name).input.size
        chips[name] = noise.integers(0, 256, (_FACES, 1, side, side, 3), dtype=np.uint8)
    seconds: dict[str, list[float]] = {name: [] for name in embedders}
    for _ in range(1 + arguments.rounds):
        for name, embedder in embedders.items():
            begun = time.process_time()
            embedder.embed(chips[name])
            seconds[name].append(time.process_time() - begun)
    print(f"load {os.getloadavg()[0]:.1f}; faces a second: best round, median")
    for name, embedder in embedders.items():
        taken, ran = seconds[name][1:], embedder.provenance
        best, median = _FACES / min(taken), _FACES / statistics.median(taken)
        print(f"{name:<18} {best:6.0f} {median:6.0f}  {ran.engine}, {ran.precision}")


def compare_batches(name: str, rounds: int) -> None:
    """Prints what a chip takes by the number of chips a call, and as often as with eight."""
    from facebatch.models.openvino_runtime import read_network

    described = card(name)
    contents = [read(file) for file in described.files]
    side = described.input.size
    noise = np.random.default_rng(0).integers(0, 256, (_FACES, side, side, 3), dtype=np.uint8)
    networks = {batch: read_network(contents, batch, described.input) for batch in _BATCHES}
    seconds: dict[int, list[float]] = {batch: [] for batch in networks}
    for _ in range(1 + rounds):
        for batch, network in networks.items():
            begun = time.process_time()
            for start in range(0, _FACES, batch):
                network(noise[start : start + batch])
            seconds[batch].append((time.process_time() - begun) / _FACES)
    print(f"{name}: load {os.getloadavg()[0]:.1f}; processor milliseconds a chip, medians")
    for batch, taken in seconds.items():
        ratios = [own / other for own, other in zip(taken[1:], seconds[8][1:], strict=True)]
        median, ratio = statistics.median(taken[1:]), statistics.median(ratios)
        print(f"{batch} a call: {1e3 * median:.2f}, {ratio:.2f} of eight's")


if __name__ == "__main__":
    main()
