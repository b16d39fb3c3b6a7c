from __future__ import annotations

import warnings

import pytest

from facebatch.cli import warned
from facebatch.faces.fonts import MissingGlyph


def test_a_missing_glyph_is_said_on_standard_error_and_other_warnings_are_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    warnings.simplefilter("ignore")  # as commands do
    with warned.of_glyphs():
        warnings.warn("no font has \x1b[2J", MissingGlyph, stacklevel=1)
        warnings.warn("internal", UserWarning, stacklevel=1)
    assert capsys.readouterr() == ("", "facebatch: no font has \\x1b[2J\n")
