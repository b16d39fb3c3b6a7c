"""Work of other machines: refused before it begins, ended when nobody answers, cancelled."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from importlib.util import find_spec

import pytest

from facebatch.config import RunSettings
from facebatch.errors import Interrupted, StageFailed, UsageError, WorkerDied, WorkerMismatch
from facebatch.pipelines import engine, remote
from facebatch.pipelines.runners import as_raised, watched

CLUSTER = RunSettings(runner="PortableRunner", workers=2)


def asked(runner: str, *options: str, workers: int = 2) -> RunSettings:
    return RunSettings(runner=runner, workers=workers, beam_options=options)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (asked("PortableRunner", workers=0), "needs --workers N"),
        (asked("DirectRunner", "--direct_runing_mode=in_memory"), "--direct_running_mode was mea"),
        (asked("DirectRunner", "--nonsense"), "knows no option --nonsense"),
        (asked("DirectRunner", "stray"), "'stray' belongs to no option"),
        (asked("PortableRunner", "--environment_typ=LOOPBACK"), "--environment_type was meant?"),
        (asked("PortableRunner", "--job_endpoint=nowhere"), "takes host:port, not 'nowhere'"),
        (asked("PortableRunner", "--job_endpoint=127.0.0.1:9"), "nobody answers there"),
        (asked("FlinkRunner", "--flink_job_server_jar=/no/such.jar"), "needs a job server"),
        (asked("spark"), "takes the cluster after --"),
        (asked("spark", "--master", "local[2]", "--remote", "sc://a:1"), "takes the cluster after"),
        (asked("spark", "--mastr", "local[2]"), "--master was meant?"),
        (asked("spark", "--master", "local[2]", "--conf", "key"), "--conf takes KEY=VALUE"),
        pytest.param(
            asked("spark", "--remote", "sc://127.0.0.1:9"),
            "nobody answers there" if find_spec("pyspark") else "pip install 'facebatch[spark]'",
        ),
    ],
)
def test_what_cant_work_is_refused_in_one_line(settings: RunSettings, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        engine.check(settings)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_options_that_only_a_job_server_knows_are_left_to_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = f"--job_endpoint=127.0.0.1:{server.getsockname()[1]}"
        engine.check(asked("PortableRunner", endpoint, "--some_setting_of_the_server=3"))


class Endless:
    """A result that ends when it is cancelled."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()

    def wait_until_finish(self) -> None:
        self.cancelled.wait(30)

    def cancel(self) -> None:
        self.cancelled.set()


def watch_endless(calls: Sequence[BaseException | None], signs: object = None) -> Endless:
    result = Endless()
    answers = iter(calls)

    def poll() -> None:
        error = next(answers, None)
        if error is not None:
            raise error

    watched(remote.Job(lambda: result), CLUSTER, poll, lambda: signs)
    return result


def test_who_stops_a_run_has_it_cancelled_and_waits_for_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remote, "POLL_SECONDS", 0.01)
    result = Endless()
    job = remote.Job(lambda: result)

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        watched(job, CLUSTER, stop, lambda: None)
    assert result.cancelled.is_set()
    assert not job.runs


def test_workers_that_give_no_sign_of_life_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(remote, "SILENCE_SECONDS", 0.1)
    with pytest.raises(WorkerDied, match="no worker has given a sign of life"):
        watch_endless([], signs="the same")


def test_a_worker_that_doesnt_fit_is_the_users_to_mend() -> None:
    words = "a worker on h2 doesn't find this run at /x: every worker has to reach the same store"
    wrapped = RuntimeError(f"Traceback:\n  ...\nfacebatch.errors.WorkerMismatch: {words}")
    assert isinstance(as_raised(wrapped), WorkerMismatch)
    assert str(as_raised(wrapped)) == words
    assert isinstance(as_raised(RuntimeError("ZeroDivisionError: division by zero")), StageFailed)
