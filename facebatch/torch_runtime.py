"""How torch is run in a worker: one thread, in inference mode, in a memory order of its liking.

Detector and embedder share it. It imports torch, so light modules must not import it.
"""

from __future__ import annotations

import torch


def single_thread() -> None:
    """Run torch's operators in this process on one thread.

    Parallelism here is one process a core. The cascade's many small regions make a second
    OpenMP thread cost more in barriers than it brings, and on a loaded machine it collapses.
    Loading a detector or an embedder calls this; the setting is the whole process's.
    """
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)
