"""facenet_pytorch can be imported here, whichever torchvision there is."""

from __future__ import annotations

import torch
from support.facenet_package import import_facenet_pytorch


def test_a_second_import_gives_the_same_package():
    assert import_facenet_pytorch() is import_facenet_pytorch()


def test_the_embedding_network_can_be_built_and_run():
    net = import_facenet_pytorch().InceptionResnetV1(pretrained=None).eval()
    with torch.inference_mode():
        embeddings = net(torch.zeros(2, 3, 160, 160))
    assert embeddings.shape == (2, 512)
