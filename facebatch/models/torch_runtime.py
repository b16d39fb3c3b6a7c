"""How torch is run in a worker: on one thread, in full float32, in a memory order of its liking.

Detector and embedder share it. It imports torch, so light modules must not import it.
"""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray


def prepare(device: str) -> torch.device:
    """Set this process's torch up for a device, and name it; for ``cpu``, that is one thread.

    On CUDA, float32 then means float32: torch would round the inputs of convolutions to TF32's ten
    bits. CUDA and MPS are written, not run.
    """
    single_thread()
    if device == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
    return torch.device(device)


def single_thread() -> None:
    """Run torch's operators in this process on one thread.

    Parallelism here is one process a core. The cascade's many small regions make a second
    OpenMP thread cost more in barriers than it brings, and on a loaded machine it collapses.
    Loading a detector or an embedder calls this; the setting is the whole process's.
    """
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)


def placed(
    array: NDArray[Any], device: torch.device, dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    """A writable array as a tensor on a device; one of four dimensions is channels last there.

    Convolutions run faster on images and weights in that order.
    """
    tensor = torch.from_numpy(array).to(device, dtype)
    if tensor.dim() == 4:
        tensor = tensor.contiguous(memory_format=torch.channels_last)
    return tensor
