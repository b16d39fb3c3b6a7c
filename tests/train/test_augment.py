"""Chips are moved, lit, blurred and covered within bounds, as the saved generator says."""

from __future__ import annotations

import torch

from facebatch.train.augment import augment


def chips() -> torch.Tensor:
    return torch.rand(16, 3, 40, 40, generator=torch.Generator().manual_seed(0)) * 255


def test_the_result_has_the_same_shape_and_range_and_is_another():
    torch.manual_seed(1)
    found = augment(chips())
    assert found.shape == (16, 3, 40, 40)
    assert float(found.min()) >= 0
    assert float(found.max()) <= 255
    assert all(not torch.equal(one, other) for one, other in zip(found, chips(), strict=True))


def test_a_saved_generator_repeats_it():
    state = torch.get_rng_state()
    first = augment(chips())
    torch.set_rng_state(state)
    assert torch.equal(augment(chips()), first)


def test_about_half_are_mirrored_and_none_is_moved_far():
    torch.manual_seed(2)
    picture = torch.zeros(200, 3, 40, 40)
    picture[:, :, 16:24, 6:12] = 255.0
    found = augment(picture).mean(dim=1)
    columns = (found - found.amin(dim=(1, 2), keepdim=True)).sum(dim=1)
    centre = (columns * (torch.arange(40) + 0.5)).sum(dim=1) / columns.sum(dim=1)
    mirrored = (centre > 20).float().mean()
    assert 0.35 < float(mirrored) < 0.65
