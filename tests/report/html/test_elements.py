from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from facebatch.report.html.elements import tag
from facebatch.report.html.words import count, size

# Control characters are shown as other ones, and parsers make one of carriage return and newline.
PRINTABLE = st.text(st.characters(exclude_categories=["Cc", "Cs"]))


class Echo(HTMLParser):
    def __init__(self, source):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


@given(PRINTABLE, PRINTABLE)
def test_any_text_comes_back_as_the_text_it_was(inside, title):
    echo = Echo(tag("p", inside, title=title))
    assert echo.tags == [("p", {"title": title})]
    assert echo.text == inside


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
