from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from markupsafe import Markup

from facebatch.report.html.environment import environment

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


def filled(template, **values):
    return environment().from_string(template).render(values)


@given(PRINTABLE, PRINTABLE)
def test_any_text_comes_back_as_the_text_it_was(inside, title):
    echo = Echo(filled('<p title="{{ title }}">{{ inside }}</p>', inside=inside, title=title))
    assert echo.tags == [("p", {"title": title})]
    assert echo.text == inside


def test_values_are_escaped_unless_they_are_markup():
    assert filled("{{ a }}", a="<b>'\"&") == "&lt;b&gt;&#39;&#34;&amp;"
    assert filled("{{ a }}", a=Markup("<b>")) == "<b>"
    assert filled('{{ "<%s>"|format(a) }}', a="i") == "&lt;i&gt;"


def test_control_characters_become_visible():
    shown = filled('<p title="{{ a }}">{{ a }}</p>', a="a\x1b[2J\x00\x7f\tb")
    assert shown == '<p title="a\u241b[2J\u2400\u2421\tb">a\u241b[2J\u2400\u2421\tb</p>'


def test_what_is_not_there_is_an_error_and_not_an_empty_place():
    with pytest.raises(UndefinedError):
        filled("{{ nobody }}")
    with pytest.raises(UndefinedError):
        filled("{{ a.nobody }}", a="x")
