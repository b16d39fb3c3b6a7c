"""A training's state on the disk: whole or not there, and enough to go on bit by bit as before."""

from __future__ import annotations

import io
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from facebatch.errors import UsageError
from facebatch.storage.local_files import whole_file

_VERSION = 1


def save(place: Path, state: dict[str, Any]) -> None:
    """Writes a state, with those of all generators of random numbers, in the earlier one's place.

    Args:
        place: The file; its folder is there.
        state: Tensors and plain data.
    """
    buffer = io.BytesIO()
    torch.save({**state, "version": _VERSION, "random": _random_state()}, buffer)
    with whole_file(place) as out:
        out.write(buffer.getvalue())


def load(place: Path) -> dict[str, Any] | None:
    """Returns the state that was saved, without unpickling objects; None if there is none.

    Raises:
        UsageError: The file isn't one that `save` wrote.
    """
    try:
        state: Any = torch.load(place, map_location="cpu", weights_only=True)
        if not isinstance(state, dict) or "version" not in state:
            raise ValueError("it is no training's state")
        if state["version"] != _VERSION:
            raise ValueError(f"it is of version {state['version']}, not {_VERSION}")
    except FileNotFoundError:
        return None
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, TypeError) as error:
        raise _damaged(place, error) from error
    except pickle.UnpicklingError as error:
        raise _damaged(place, error) from error
    return state


def _damaged(place: Path, error: Exception) -> UsageError:
    first = (str(error).splitlines() or [""])[0]
    return UsageError(
        f"{place} isn't a checkpoint that can be read: {first}; remove it to begin anew"
    )


def _random_state() -> dict[str, Any]:
    name, keys, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002 (saved, not used)
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [name, [int(key) for key in keys], position, has_gauss, cached],
        "python": random.getstate(),
    }


def restore_random(state: dict[str, Any]) -> None:
    """Puts all generators of random numbers back to what they were when a state was saved."""
    saved = state["random"]
    torch.set_rng_state(saved["torch"])
    if saved["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(saved["cuda"][: torch.cuda.device_count()])
    name, keys, position, has_gauss, cached = saved["numpy"]
    np.random.set_state((name, np.array(keys, np.uint32), position, has_gauss, cached))  # noqa: NPY002
    version, inner, gauss = saved["python"]
    random.setstate((version, tuple(inner), gauss))


def seed_all(seed: int) -> None:
    """Seeds all generators of random numbers."""
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (libraries may draw from it)
    random.seed(seed)
