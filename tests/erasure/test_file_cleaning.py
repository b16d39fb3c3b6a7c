"""What is erased leaves files that no table is."""

from __future__ import annotations

from support.rows import memory_collection

from facebatch.collection import Suppression
from facebatch.collection.sources import SOURCES, Sources
from facebatch.erasure.file_cleaning import clean_file
from facebatch.erasure.verification import ErasureTargets
from facebatch.media.sources.ignored import Ignored


def test_examples_of_what_was_ignored_go_and_their_number_stays() -> None:
    storage = memory_collection().storage
    known = Sources({"photos": "/x"}, ("*.png",), ignored=(Ignored("hidden", "", 2, ("x/.a",)),))
    known.write(storage)
    assert clean_file(storage, SOURCES, ErasureTargets(Suppression.load(storage)), ()) == []
    left = Sources.read(storage)
    assert left.ignored == (Ignored("hidden", "", 2),)
    assert (left.roots, left.exclude) == (known.roots, known.exclude)
