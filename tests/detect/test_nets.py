"""Weights that aren't a network's are refused when it is loaded."""

from __future__ import annotations

import re

import pytest

from facebatch.detect.nets import ONET, PNET, RNET, Convolution, Net, Prelu, load
from facebatch.errors import WeightsError
from facebatch.models import registry


@pytest.mark.parametrize(
    ("net", "file"), [(PNET, registry.PNET), (RNET, registry.RNET), (ONET, registry.ONET)]
)
def test_each_network_is_described_as_its_file_holds_it(net, file):
    assert {name: tensor.shape for name, tensor in load(net, file).items()} == net.shapes()


@pytest.mark.parametrize("file", [registry.PNET, registry.ONET])
def test_the_weights_of_another_network_are_refused(file):
    with pytest.raises(WeightsError, match=rf"{file.name} doesn't fit its network.* of conv1\."):
        load(RNET, file)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ((Convolution("conv1", 3, 10, size=5), *PNET.body[1:]), "conv1.weight is (10, 3, 3, 3), "),
        ((*PNET.body, Prelu("prelu9", 32)), "prelu9.weight is none, not (32,)"),
        (PNET.body[:-1], "prelu3.weight is (32,), not none"),
    ],
)
def test_misshapen_missing_and_needless_weights_are_refused_by_name(body, said):
    with pytest.raises(WeightsError, match=re.escape(said)):
        load(Net(side=None, body=body, heads=PNET.heads), registry.PNET)
