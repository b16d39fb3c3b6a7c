"""Embedders in turns on the same machine: faces a second, of one pass on one thread.

    python benchmarks/embedders.py [NAME...] [--rounds 8]

Without names it takes all whose files are installed. Chips are noise: the time doesn't depend on
what they show. Seconds are of this process's processor, so that other programs count for little.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

import numpy as np

from facebatch.embed import load_embedder
from facebatch.models.embedders import EMBEDDERS
from facebatch.models.registry import card, is_installed

_FACES = 64


def main() -> None:
    """Prints a line for each embedder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    there = [name for name in EMBEDDERS if all(map(is_installed, card(name).files))]
    parser.add_argument("names", nargs="*", default=there, metavar="NAME")
    parser.add_argument("--rounds", type=int, default=8)
    arguments = parser.parse_args()
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


if __name__ == "__main__":
    main()
