"""What chips go through before a network learns from them, in torch's own operators."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention

_TURN, _SCALE, _SHIFT = math.radians(10), 0.1, 0.06
"""Largest turn, change of size and shift in units of half the side: alignment errs within them."""

_LIGHT = 0.3
_BLURRED, _ERASED = 0.15, 0.25
_ERASED_SIDE = (0.1, 0.35)


def augment(pixels: torch.Tensor) -> torch.Tensor:
    """Returns chips turned, mirrored, lit, blurred and covered at random.

    It draws from torch's global generator of the CPU alone, so that a saved state repeats it.

    Args:
        pixels: float32 (n, 3, side, side), 0..255.

    Returns:
        The same shape, 0..255.
    """
    moved = _moved(pixels)
    lit = _lit(moved)
    return _erased(_blurred(lit))


def _uniform(like: torch.Tensor, low: float, high: float, *shape: int) -> torch.Tensor:
    return (low + (high - low) * torch.rand(len(like), *shape)).to(like.device)


def _moved(pixels: torch.Tensor) -> torch.Tensor:
    turn = _uniform(pixels, -_TURN, _TURN)
    scale = _uniform(pixels, 1 - _SCALE, 1 + _SCALE)
    mirror = torch.where(_uniform(pixels, 0, 1) < 0.5, -1.0, 1.0)
    cosine, sine = scale * turn.cos(), scale * turn.sin()
    linear = torch.stack([mirror * cosine, -sine, mirror * sine, cosine], dim=1).view(-1, 2, 2)
    matrix = torch.cat([linear, _uniform(pixels, -_SHIFT, _SHIFT, 2, 1)], dim=2)
    grid = F.affine_grid(matrix, list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels, grid, padding_mode="border", align_corners=False)


def _lit(pixels: torch.Tensor) -> torch.Tensor:
    contrast = _uniform(pixels, 1 - _LIGHT, 1 + _LIGHT, 1, 1, 1)
    brightness = _uniform(pixels, -_LIGHT, _LIGHT, 1, 1, 1) * 255 / 2
    mean = pixels.mean(dim=(1, 2, 3), keepdim=True)
    return ((pixels - mean) * contrast + mean + brightness).clamp(0, 255)


def _blurred(pixels: torch.Tensor) -> torch.Tensor:
    chosen = _uniform(pixels, 0, 1, 1, 1, 1) < _BLURRED
    padded = F.pad(pixels, (2, 2, 2, 2), mode="replicate")
    return torch.where(chosen, F.avg_pool2d(padded, 5, stride=1), pixels)


def _erased(pixels: torch.Tensor) -> torch.Tensor:
    side = pixels.shape[-1]
    chosen = _uniform(pixels, 0, 1, 1, 1, 1) < _ERASED
    height, width = (_uniform(pixels, *_ERASED_SIDE, 1, 1, 1) for _ in range(2))
    top, left = (_uniform(pixels, 0, 1, 1, 1, 1) * (1 - size) for size in (height, width))
    at = (torch.arange(side, device=pixels.device) + 0.5) / side
    rows, columns = at.view(1, 1, -1, 1), at.view(1, 1, 1, -1)
    inside = (rows > top) & (rows < top + height) & (columns > left) & (columns < left + width)
    return torch.where(chosen & inside, torch.full_like(pixels, 127.5), pixels)
