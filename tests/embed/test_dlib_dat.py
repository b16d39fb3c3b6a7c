"""A damaged dlib file is a DatFormatError or still parses; it is never anything else."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from facebatch.embed.dlib_dat import Convolution, FullyConnected, MetricNetwork, read_network
from facebatch.errors import DatFormatError
from facebatch.models import registry

CONTENT = registry.read(registry.DLIB_RESNET)

# Everything but the weights themselves: the file's head, and the surroundings of layer names.
STRUCTURE = sorted(
    {*range(600)}.union(
        *(
            range(match.start() - 100, min(match.end() + 40, len(CONTENT)))
            for match in re.finditer(rb"con_4|affine_|relu_|pool_2|add_prev_|fc_2", CONTENT)
        ),
        range(len(CONTENT) - 100, len(CONTENT)),
    )
)


def parses_or_is_refused(content: bytes) -> bool:
    """Whether it parses; any exception but DatFormatError fails the test."""
    try:
        assert isinstance(read_network(content), MetricNetwork)
    except DatFormatError:
        return False
    return True


def test_the_published_file_has_the_published_size():
    network = read_network(CONTENT)
    arrays = [
        array
        for layer in network.layers
        for array in vars(layer).values()
        if isinstance(array, np.ndarray)
    ]
    # As counted by the lab's reader: 29 convolutions and their affine layers, one projection.
    assert sum(array.size for array in arrays) == 5_614_592
    assert sum(isinstance(layer, Convolution) for layer in network.layers) == 29
    assert isinstance(network.layers[-1], FullyConnected)
    # dlib stores the means as float32.
    np.testing.assert_allclose(network.mean, (122.782, 117.001, 104.298), rtol=1e-7)
    assert network.size == (150, 150)


@examples(25, 200)
@given(length=st.integers(0, 2000) | st.integers(0, len(CONTENT) - 1))
def test_a_truncated_file_is_refused(length):
    assert not parses_or_is_refused(CONTENT[:length])


def test_a_file_with_something_after_its_end_is_refused():
    with pytest.raises(DatFormatError, match="1 bytes after"):
        read_network(CONTENT + b"\0")


@examples(25, 150)
@given(position=st.sampled_from(STRUCTURE), bit=st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_parses(position, bit):
    damaged = bytearray(CONTENT)
    damaged[position] ^= 1 << bit
    parses_or_is_refused(bytes(damaged))


def test_every_flipped_bit_in_the_head_before_the_weights_is_refused_or_parses():
    outcomes = set()
    for position in range(300):
        for bit in range(0, 8, 3):
            damaged = bytearray(CONTENT[:4000])
            damaged[position] ^= 1 << bit
            outcomes.add(parses_or_is_refused(bytes(damaged)))
    assert outcomes == {False}  # the rest of the file is missing


@examples(25, 200)
@given(content=st.binary(max_size=200))
def test_any_other_bytes_are_refused(content):
    assert not parses_or_is_refused(content)


def test_a_name_that_is_not_ascii_is_refused():
    with pytest.raises(DatFormatError, match="ASCII"):
        read_network(CONTENT.replace(b"loss_metric_2", b"loss_metric_\xff", 1))


def test_a_count_larger_than_the_file_is_refused_without_an_allocation():
    at = CONTENT.index(b"con_4") + len(b"con_4")
    version = b"\x01\x02"
    assert CONTENT[at : at + 2] == version
    huge = b"\x06" + (2**40).to_bytes(6, "little")
    with pytest.raises(DatFormatError, match="count 1099511627776"):
        read_network(CONTENT[:at] + version + huge + CONTENT[at + 2 :])


def test_numbers_out_of_range_are_refused():
    at = CONTENT.index(b"loss_metric_2") + len(b"loss_metric_2")
    infinity = b"\x01\x01" + b"\x02" + (32000).to_bytes(2, "little")  # dlib's code for it
    with pytest.raises(DatFormatError, match=r"2\*\*32000"):
        read_network(CONTENT[:at] + infinity + CONTENT[at:])
