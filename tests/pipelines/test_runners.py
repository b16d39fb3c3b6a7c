"""Workers of this machine are reached directly, and a run that waits for them says so."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import DirectOptions, GoogleCloudOptions
from support.program import command

from facebatch.pipelines.runners import Options, keep_localhost_off_proxies


@pytest.mark.parametrize(
    ("given", "hosts"),
    [
        ({}, "localhost,127.0.0.1,::1"),
        ({"no_proxy": "intern.example,localhost"}, "intern.example,localhost,127.0.0.1,::1"),
        ({"NO_PROXY": "a", "no_proxy": "b"}, "b,localhost,127.0.0.1,::1"),
        ({"no_grpc_proxy": "a", "no_proxy": "b"}, "a,localhost,127.0.0.1,::1"),
    ],
)
def test_localhost_is_exempted_beside_what_was(given: dict[str, str], hosts: str) -> None:
    environment = dict(given)
    keep_localhost_off_proxies(environment)
    assert environment == {**given, "no_grpc_proxy": hosts}


@pytest.mark.parametrize(
    "variable",
    [
        "http_proxy",
        *(pytest.param(f"{name}_proxy", marks=pytest.mark.full) for name in ("https", "grpc")),
    ],
)
def test_a_proxy_for_the_web_doesnt_hold_up_a_run(tmp_path: Path, variable: str) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.jpg").write_bytes(b"no photo")
    # Nobody answers there; a connection that went by it would wait for two minutes.
    environment = {**os.environ, variable: "http://127.0.0.1:9"}
    ran = subprocess.run(
        command("extract", str(photos), "-o", str(tmp_path / "collection"), "--workers", "1"),
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr


def test_a_worker_that_gets_no_thread_ends(tmp_path: Path) -> None:
    program = (
        "import threading\n"
        "from facebatch.pipelines.worker import end_without_threads\n"
        "threading.excepthook = end_without_threads\n"
        'def refused(): raise RuntimeError("can\'t start new thread")\n'
        "threading.Thread(target=refused).start()\n"
        "threading.Event().wait(60)\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", program], timeout=60, cwd=tmp_path)
    assert done.returncode == 1


def test_a_view_of_the_options_is_made_once_and_shares_its_values_with_all() -> None:
    options = Options(["--direct_num_workers=3", "--job_name=night"])
    direct = options.view_as(DirectOptions)
    assert options.view_as(DirectOptions) is direct
    assert direct.direct_num_workers == 3
    direct.direct_num_workers = 5
    assert options.get_all_options()["direct_num_workers"] == 5
    copied = pickle.loads(pickle.dumps(options))
    assert copied.view_as(DirectOptions).direct_num_workers == 5
    assert copied.view_as(GoogleCloudOptions).job_name == "night"
