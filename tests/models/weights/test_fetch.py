"""Fetched weights are in their place only if they are the right ones."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from support.cards import card_of, file_lines, member_lines, sha256
from support.weight_server import honest, sending, weight_server

from facebatch.errors import DownloadError, UsageError, WeightsError
from facebatch.models import registry
from facebatch.models.weights import fetch as fetching
from facebatch.models.weights.download import Patience

WEIGHTS = bytes(range(256)) * 100
OTHER = WEIGHTS[::-1]
QUICK = Patience(connect=2, stall=1, attempts=2, pause=0.01)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The models folder, not there yet."""
    monkeypatch.setenv("FACEBATCH_MODELS", str(tmp_path / "models"))
    monkeypatch.delenv("FACEBATCH_MODELS_URL", raising=False)
    return tmp_path / "models"


def fetch(*cards):
    return fetching.fetch(cards, lambda name: lambda there, total: None, QUICK)


def left(folder):
    """Every file in the models folder, by its path there."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def zipped(**members):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as out:
        for name, content in members.items():
            out.writestr(f"pack/{name}.onnx", content)
    return packed.getvalue()


def test_a_model_is_fetched_once(folder):
    with weight_server({"/a.onnx": WEIGHTS}) as server:
        card = card_of("mine", file_lines("a.onnx", WEIGHTS, f"{server.url}/a.onnx"))
        states = [fetch(card).files[0].state for _ in range(2)]
    assert states == ["brought", "there"]
    assert len(server.asked) == 1
    assert left(folder) == ["mine/a.onnx"]
    assert registry.read(card.files[0]) == WEIGHTS


def test_other_bytes_are_refused_with_both_hashes_and_leave_nothing(folder):
    with weight_server({"/a.onnx": OTHER}) as server:
        card = card_of("mine", file_lines("a.onnx", WEIGHTS, f"{server.url}/a.onnx"))
        with pytest.raises(DownloadError) as refused:
            fetch(card)
    assert sha256(OTHER) in str(refused.value)
    assert sha256(WEIGHTS) in str(refused.value)
    assert left(folder) == []


def test_a_wrong_file_in_the_folder_is_fetched_anew(folder):
    (folder / "mine").mkdir(parents=True)
    (folder / "mine" / "a.onnx").write_bytes(OTHER)
    with weight_server({"/a.onnx": WEIGHTS}) as server:
        fetch(card_of("mine", file_lines("a.onnx", WEIGHTS, f"{server.url}/a.onnx")))
    assert (folder / "mine" / "a.onnx").read_bytes() == WEIGHTS


def test_what_was_pieced_together_wrongly_is_fetched_whole(folder):
    def broken(handler, content):
        honest(after=1000)(handler, OTHER)

    with weight_server({"/a.onnx": WEIGHTS}, broken) as server:
        fetch(card_of("mine", file_lines("a.onnx", WEIGHTS, f"{server.url}/a.onnx")))
    assert server.ranges == [None, "bytes=1000-", None]
    assert (folder / "mine" / "a.onnx").read_bytes() == WEIGHTS


def test_a_hash_that_no_card_names_is_taken_once_and_holds_from_then_on(folder):
    with weight_server({"/a.onnx": WEIGHTS}) as server:
        card = card_of("mine", file_lines("a.onnx", url=f"{server.url}/a.onnx"))
        fetch(card)
        assert json.loads((folder / "recorded.json").read_text()) == {
            "mine/a.onnx": sha256(WEIGHTS)
        }
        assert registry.digest(card.files[0]) == sha256(WEIGHTS)
        (folder / "mine" / "a.onnx").write_bytes(OTHER)
        with pytest.raises(WeightsError, match=sha256(WEIGHTS)):
            registry.read(card.files[0])
        server.files["/a.onnx"] = OTHER
        with pytest.raises(DownloadError, match=sha256(WEIGHTS)):
            fetch(card)


def test_models_of_one_archive_download_it_once_and_keep_their_members_only(folder):
    packed = zipped(a=WEIGHTS, b=OTHER, c=b"not wanted")
    with weight_server({"/pack.zip": packed}) as server:
        url = f"{server.url}/pack.zip"
        one = card_of("one", member_lines("a.onnx", WEIGHTS, "pack.zip", packed, url))
        two = card_of("two", member_lines("b.onnx", OTHER, "pack.zip", packed, url))
        fetch(one, two)
    assert len(server.asked) == 1
    assert left(folder) == ["one/a.onnx", "two/b.onnx"]


@pytest.mark.parametrize("packed", [zipped(a=OTHER), zipped(b=WEIGHTS), b"no zip", zipped()])
def test_an_archive_without_the_right_member_is_refused(folder, packed):
    with weight_server({"/pack.zip": packed}) as server:
        lines = member_lines("a.onnx", WEIGHTS, "pack.zip", packed, f"{server.url}/pack.zip")
        with pytest.raises(WeightsError):
            fetch(card_of("one", lines))
    assert left(folder) == []


def test_what_has_no_url_is_told_with_the_way_and_the_rest_is_fetched(folder):
    with weight_server({"/a.onnx": WEIGHTS}) as server:
        by_hand = card_of("byhand", file_lines("b.onnx", OTHER))
        card = card_of("mine", file_lines("a.onnx", WEIGHTS, f"{server.url}/a.onnx"))
        done = fetch(by_hand, card)
    (told,) = done.missing
    assert "a test's home page" in told
    assert "facebatch models add b.onnx" in told
    assert left(folder) == ["mine/a.onnx"]


def test_a_mirror_has_every_model_and_is_the_only_place_asked(folder, monkeypatch):
    files = {"/site/byhand/b.onnx": OTHER, "/site/mine/a.onnx": WEIGHTS}
    with weight_server(files) as mirror, weight_server({}) as elsewhere:
        monkeypatch.setenv("FACEBATCH_MODELS_URL", f"{mirror.url}/site/")
        card = card_of("mine", file_lines("a.onnx", WEIGHTS, f"{elsewhere.url}/a.onnx"))
        assert not fetch(card_of("byhand", file_lines("b.onnx", OTHER)), card).missing
    assert left(folder) == ["byhand/b.onnx", "mine/a.onnx"]
    assert not elsewhere.asked


def test_a_mirrors_password_is_not_told(monkeypatch):
    with weight_server({}) as mirror:
        address = mirror.url.replace("//", "//user:geheim@")
        monkeypatch.setenv("FACEBATCH_MODELS_URL", address)
        with pytest.raises(DownloadError, match="404") as refused:
            fetch(card_of("mine", file_lines("a.onnx", WEIGHTS)))
    assert "geheim" not in str(refused.value)


def test_a_mirror_is_an_address_of_the_web(monkeypatch):
    monkeypatch.setenv("FACEBATCH_MODELS_URL", "/mnt/models")
    with pytest.raises(UsageError, match="FACEBATCH_MODELS"):
        fetch(card_of("mine", file_lines("a.onnx", WEIGHTS)))


def test_a_page_in_place_of_a_file_is_refused_before_it_is_read(folder):
    page = sending(b"<html>", Content_Type="text/html", Content_Length="6")
    with weight_server({"/a.onnx": WEIGHTS}, page) as server:
        card = card_of("mine", file_lines("a.onnx", WEIGHTS, f"{server.url}/a.onnx"))
        with pytest.raises(DownloadError, match="another file"):
            fetch(card)


def test_a_models_folder_that_cannot_be_written_is_named(folder):
    folder.write_bytes(b"a file")
    with weight_server({"/a.onnx": WEIGHTS}) as server:
        card = card_of("mine", file_lines("a.onnx", WEIGHTS, f"{server.url}/a.onnx"))
        with pytest.raises(WeightsError, match="can't be written"):
            fetch(card)


def test_what_packages_bring_is_there_or_left_to_pip():
    assert {brought.state for brought in fetch(registry.card("mtcnn")).files} == {"there"}


def test_recommended_stands_for_the_models_whose_cards_say_so():
    recommended = fetching.chosen(["recommended"])
    assert {card.kind for card in recommended} == {"detector", "embedder"}
    assert all(card.recommended and card.commercial for card in recommended)
    assert len(fetching.chosen(["recommended", recommended[0].name])) == len(recommended)
    with pytest.raises(WeightsError, match="no model named"):
        fetching.chosen(["recommended", "no-such-model"])
