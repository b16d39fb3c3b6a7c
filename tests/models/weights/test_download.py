"""A download ends with the whole file or says why not, whatever the server does."""

from __future__ import annotations

import gzip
import json
import os
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.weight_server import (
    dribbling,
    honest,
    saying,
    sending,
    silent,
    stalling,
    weight_server,
)

from facebatch.errors import DownloadError
from facebatch.models.weights.download import Patience, Wanted, download, opened_alone

CONTENT = os.urandom(300_000)
PATH = "/weights.bin"
SHORT = Patience(connect=2, stall=0.3, attempts=3, pause=0.01)


def bring(server, folder, *, size=None, largest=10**6, patience=SHORT, shown=None, path=PATH):
    """Downloads into the part in a folder, and gives what is in it."""
    part = folder / "weights.bin.part"
    wanted = Wanted(f"{server.url}{path}", part, size, largest)
    show = (lambda *_: None) if shown is None else lambda *each: shown.append(each)
    with opened_alone(part) as opened:
        download(wanted, opened, show, patience)
    return part.read_bytes()


def test_a_file_comes_whole_and_its_progress_is_told(tmp_path):
    shown = []
    with weight_server({PATH: CONTENT}) as server:
        assert bring(server, tmp_path, shown=shown) == CONTENT
    assert shown[0] == (0, len(CONTENT))
    assert shown[-1] == (len(CONTENT), len(CONTENT))
    assert [path.name for path in tmp_path.iterdir()] == ["weights.bin.part"]


def test_a_broken_connection_is_gone_on_with_where_it_broke(tmp_path):
    with weight_server({PATH: CONTENT}, honest(after=100_000)) as server:
        assert bring(server, tmp_path) == CONTENT
    assert server.ranges == [None, "bytes=100000-"]


def test_the_next_command_goes_on_where_this_one_gave_up(tmp_path):
    once = Patience(attempts=1)
    with weight_server({PATH: CONTENT}, honest(after=100_000)) as server:
        with pytest.raises(DownloadError, match="100,000 bytes that came are kept"):
            bring(server, tmp_path, patience=once)
        assert bring(server, tmp_path, patience=once) == CONTENT
    assert server.ranges == [None, "bytes=100000-"]


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.integers(0, 120_000), max_size=5), st.sampled_from(['"1"', None, 'W/"1"']))
def test_wherever_connections_break_the_file_is_the_servers(tmp_path_factory, breaks, etag):
    script = [honest(etag, after=after) for after in breaks]
    with weight_server({PATH: CONTENT}, *script, honest(etag)) as server:
        patience = Patience(stall=5, attempts=10, pause=0)
        assert bring(server, tmp_path_factory.mktemp("part"), patience=patience) == CONTENT


def test_a_file_that_changed_meanwhile_is_begun_anew(tmp_path):
    with weight_server({PATH: CONTENT}, honest('"0"', after=100_000)) as server:
        assert bring(server, tmp_path) == CONTENT
    assert server.asked[1][1]["If-Range"] == '"0"'


def test_a_weak_tag_is_no_name_for_bytes(tmp_path):
    weak = honest('W/"1"', after=100_000)
    with weight_server({PATH: CONTENT}, weak) as server:
        assert bring(server, tmp_path) == CONTENT
    assert server.ranges == [None, None]


def test_a_part_of_another_url_is_no_beginning(tmp_path):
    (tmp_path / "weights.bin.part").write_bytes(b"x" * 1000)
    state = {"url": "http://elsewhere/weights.bin", "validator": '"1"'}
    (tmp_path / "weights.bin.part.json").write_text(json.dumps(state))
    with weight_server({PATH: CONTENT}) as server:
        assert bring(server, tmp_path) == CONTENT


@pytest.mark.parametrize(
    "second",
    [
        honest(ranges=False),
        sending(CONTENT[:10], 206, Content_Range="bytes 0-9/300000", Content_Length="10"),
        saying(416),
    ],
    ids=["no ranges", "another range", "no such range"],
)
def test_a_server_that_cannot_go_on_begins_anew(tmp_path, second):
    with weight_server({PATH: CONTENT}, honest(after=100_000), second) as server:
        assert bring(server, tmp_path) == CONTENT


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (stalling(after=100_000), "next to nothing came"),
        (dribbling, "next to nothing came"),
        (silent, "no answer in"),
    ],
    ids=["stalling", "dribbling", "silent"],
)
def test_a_server_that_stalls_is_given_up_in_time(tmp_path, answer, said):
    began = time.monotonic()
    with (
        weight_server({PATH: CONTENT}, answer) as server,
        pytest.raises(DownloadError, match=said),
    ):
        bring(server, tmp_path, patience=Patience(stall=0.3, attempts=1, connecting=1))
    assert time.monotonic() - began < 5


def test_a_stall_is_gone_on_with(tmp_path):
    with weight_server({PATH: CONTENT}, stalling(after=100_000)) as server:
        assert bring(server, tmp_path) == CONTENT
    assert server.ranges == [None, "bytes=100000-"]


def test_a_busy_server_is_asked_again_when_it_said(tmp_path):
    busy = [saying(503), saying(429, Retry_After="0")]
    with weight_server({PATH: CONTENT}, *busy) as server:
        assert bring(server, tmp_path) == CONTENT
    assert len(server.asked) == 3


def test_a_file_that_is_not_there_is_asked_for_once(tmp_path):
    with weight_server({}) as server, pytest.raises(DownloadError, match="404 Not Found"):
        bring(server, tmp_path)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (sending(CONTENT[:10], Content_Length="10"), "10 bytes there, not 300,000"),
        (sending(CONTENT + b"more"), "more than 300,000 bytes"),
        (sending(gzip.compress(CONTENT), Content_Encoding="gzip"), "compressed"),
    ],
    ids=["shorter", "longer", "compressed"],
)
def test_what_cannot_be_the_file_is_refused_at_once(tmp_path, answer, said):
    with (
        weight_server({PATH: CONTENT}, answer) as server,
        pytest.raises(DownloadError, match=said),
    ):
        bring(server, tmp_path, size=len(CONTENT))
    assert len(server.asked) == 1


def test_a_server_that_says_no_length_may_end_early_and_is_asked_again(tmp_path):
    with weight_server({PATH: CONTENT}, sending(CONTENT[:1000], ETag='"1"')) as server:
        assert bring(server, tmp_path, size=len(CONTENT)) == CONTENT
    assert server.ranges == [None, "bytes=1000-"]


def test_a_body_without_an_end_does_not_fill_the_disk(tmp_path):
    with (
        weight_server({PATH: CONTENT}, sending(CONTENT)) as server,
        pytest.raises(DownloadError, match="more than 100,000"),
    ):
        bring(server, tmp_path, largest=100_000)
    assert (tmp_path / "weights.bin.part").stat().st_size < 200_000


def test_a_connection_that_always_breaks_at_the_same_byte_is_given_up(tmp_path):
    script = [honest(etag=None, after=1000)] * 10
    with (
        weight_server({PATH: CONTENT}, *script) as server,
        pytest.raises(DownloadError, match="broke after 1,000 bytes"),
    ):
        bring(server, tmp_path)
    assert len(server.asked) == SHORT.attempts


def test_redirects_are_followed_to_the_web_and_nowhere_else(tmp_path):
    files = {PATH: CONTENT, "/moved": b""}
    with weight_server(files, saying(302, Location=PATH)) as server:
        assert bring(server, tmp_path, path="/moved") == CONTENT
    for place in ("file:///etc/passwd", "ftp://127.0.0.1/weights.bin"):
        (tmp_path / "weights.bin.part").unlink()
        with (
            weight_server(files, saying(302, Location=place)) as server,
            pytest.raises(DownloadError, match="No connection adapters"),
        ):
            bring(server, tmp_path)
    with (
        weight_server(files, *[saying(302, Location=PATH)] * 20) as server,
        pytest.raises(DownloadError, match="redirects"),
    ):
        bring(server, tmp_path)


def test_where_nobody_listens_that_is_said_soon(tmp_path):
    with weight_server({}) as server:
        pass
    began = time.monotonic()
    with pytest.raises(DownloadError, match="refused"):
        bring(server, tmp_path)
    assert time.monotonic() - began < 5


def test_what_another_process_downloads_is_left_to_it(tmp_path):
    with (
        opened_alone(tmp_path / "weights.bin.part"),
        weight_server({PATH: CONTENT}) as server,
        pytest.raises(DownloadError, match="another process"),
    ):
        bring(server, tmp_path)
    assert not server.asked
