"""What a file is taken for by its name."""

from __future__ import annotations

import pytest

from facebatch.media.kinds import Kind, kind_of


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.JPG", "photo"),
        ("IMG_1.jpg~2", "photo"),
        ("a.MPO", "photo"),
        ("a.pjpeg", "photo"),
        ("a.jpg_large", "photo"),
        ("a.insp", "photo"),
        ("a.nef", "photo"),
        ("PXL_2020.MP", "video"),
        ("a.mp4~3", "video"),
        ("a.txt", None),
        ("a.jpg~", None),
        ("jpg", None),
        ("a.jpg.bak", None),
    ],
)
def test_a_name_says_what_a_file_is_taken_for(name: str, kind: Kind | None) -> None:
    assert kind_of(name) == kind
