from __future__ import annotations

from facebatch.report.html.words import count, size


def test_sizes_have_two_digits_or_three():
    sizes = [0, 999, 1_000, 9_940, 9_960, 123_456, 999_499, 999_600, 4.2e9, 7e15]
    assert [size(n) for n in sizes] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "9.9 kB",
        "10 kB",
        "123 kB",
        "999 kB",
        "1.0 MB",
        "4.2 GB",
        "7.0 PB",
    ]


def test_one_is_singular():
    assert count(1, "face") == "1 face"
    assert count(0, "face") == "0 faces"
    assert count(1_200, "person", "people") == "1,200 people"
