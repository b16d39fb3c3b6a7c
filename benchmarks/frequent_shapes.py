"""YuNet in OpenVINO on a shape that comes often, against the network that reads any shape.

    python benchmarks/frequent_shapes.py [--rounds 20] [--processes 2]

Both read the same noise in turns, in so many processes at once, on one thread each. Seconds are the
processor's; the ratio is that of each turn, medians.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from multiprocessing.synchronize import Barrier

import numpy as np
import psutil
from common import ONE_THREAD

from facebatch.detect.yunet import YUNET
from facebatch.models.registry import card, read

_SHAPES = ((768, 1024), (1024, 768), (640, 1024), (256, 256))


def measure(together: Barrier, rounds: int, is_told: bool) -> None:
    """Runs in each process; one of them prints the table."""
    from facebatch.models.openvino_pictures import OFTEN, PictureNetwork
    from facebatch.models.openvino_runtime import graph_of, model_of

    described = card("yunet")
    content = read(described.files[0])
    of_any = graph_of(model_of(content, described.input))
    own = PictureNetwork(content, described.input, YUNET.strips)
    for shape in _SHAPES:
        picture = np.random.default_rng(0).integers(0, 256, (1, *shape, 3), dtype=np.uint8)
        of_any(picture)
        own(picture)
        resident = psutil.Process().memory_info().rss
        for _ in range(OFTEN):
            own(picture)
        grown = psutil.Process().memory_info().rss - resident
        together.wait()
        turns = []
        for _ in range(rounds):
            taken = []
            for network in (of_any, own):
                begun = time.process_time()
                network(picture)
                taken.append(time.process_time() - begun)
            turns.append(taken)
        if is_told:
            first, second = (1e3 * statistics.median(times) for times in zip(*turns, strict=True))
            ratio = statistics.median(one / other for one, other in turns)
            print(f"{shape[1]} x {shape[0]}: any shape {first:.1f} ms", end=", ")
            print(f"its own {second:.1f} ms: {ratio:.2f} times as fast", end="; ")
            print(f"{grown / 1e6:.0f} MB more", flush=True)


def main() -> None:
    """Prints a line for each shape."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    os.environ.update(ONE_THREAD)
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(arguments.processes)
    processes = [
        context.Process(target=measure, args=(together, arguments.rounds, number == 0))
        for number in range(arguments.processes)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


if __name__ == "__main__":
    main()
