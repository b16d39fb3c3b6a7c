"""A Spark cluster on this machine: a master and workers on hosts of their own.

A host is a network namespace with a cable to a bridge, so that a cable can be pulled and a host can
have a disk of its own. It takes root, Java, pyspark and iproute2.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import psutil
from support import poisoned

BRIDGE, ADDRESS = "fbtest0", "10.77.41"
MASTER = f"spark://{ADDRESS}.1:7077"
SETTINGS = {
    "spark.driver.host": f"{ADDRESS}.1",
    "spark.executor.memory": "512m",
    "spark.executor.cores": "1",
    "spark.network.timeout": "20s",
    "spark.executor.heartbeatInterval": "5s",
    "spark.network.timeoutInterval": "10s",
}


def lacking() -> str:
    """Returns what this machine lacks for a cluster; empty where it lacks nothing."""
    wants = {
        "Linux": sys.platform == "linux",
        "root": hasattr(os, "getuid") and os.getuid() == 0,
        "ip (iproute2)": shutil.which("ip") is not None,
        "java": shutil.which("java") is not None,
        "pyspark (pip install -e '.[spark]')": find_spec("pyspark") is not None,
    }
    lacks = [name for name, has in wants.items() if not has]
    return ", ".join(lacks or ([] if _has_namespaces() else ["network namespaces"]))


def _has_namespaces() -> bool:
    """Tells whether a namespace can be made, which some containers refuse to root as well."""
    probe = ["ip", "netns", "exec", "fbprobe", "true"]
    made = subprocess.run(["ip", "netns", "add", "fbprobe"], capture_output=True, check=False)
    works = made.returncode == 0 and not subprocess.run(probe, capture_output=True).returncode
    subprocess.run(["ip", "netns", "delete", "fbprobe"], capture_output=True, check=False)
    return works


def options() -> list[str]:
    """Returns the words that hand work to the cluster."""
    confs = [word for key, value in SETTINGS.items() for word in ("--conf", f"{key}={value}")]
    return ["--runner", "spark", "--workers", "2", "--", "--master", MASTER, *confs]


@dataclass
class Host:
    """A host with one Spark worker.

    Args:
        number: From 1.
        own_disk: A folder in whose place the host sees an empty disk of its own.
    """

    number: int
    logs: Path
    own_disk: Path | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        """Of its network namespace."""
        return f"fbtest{self.number}"

    def start(self) -> None:
        """Lays the cable, if there is none, and starts the worker."""
        if not Path(f"/run/netns/{self.name}").exists():
            cable, end = f"fbt{self.number}", f"fbe{self.number}"
            _ip("netns", "add", self.name)
            _ip("link", "add", cable, "type", "veth", "peer", "name", end)
            _ip("link", "set", cable, "master", BRIDGE, "up")
            _ip("link", "set", end, "netns", self.name)
            inside = ("-n", self.name)
            _ip(*inside, "addr", "add", f"{ADDRESS}.{10 + self.number}/24", "dev", end)
            _ip(*inside, "link", "set", end, "up")
            _ip(*inside, "link", "set", "lo", "up")
        words = _spark("worker.Worker", "-c", "1", "-m", "1g", "-d", str(self.logs), MASTER)
        if self.own_disk is not None:
            mounted = f'mount -t tmpfs none "{self.own_disk}" && exec "$0" "$@"'
            words = ["sh", "-c", mounted, *words]
        self.process = _started(["ip", "netns", "exec", self.name, *words], self.logs / self.name)

    def pull_cable(self) -> None:
        """Takes the host off the network."""
        _ip("link", "set", f"fbt{self.number}", "down")

    def plug_in(self) -> None:
        """Puts it on the network again."""
        _ip("link", "set", f"fbt{self.number}", "up")

    def processes(self, word: str) -> list[psutil.Process]:
        """Returns the processes of the host whose command line has a word."""
        found = []
        for child in psutil.Process(self._process.pid).children(recursive=True):
            try:
                if word in " ".join(child.cmdline()):
                    found.append(child)
            except psutil.Error:
                continue
        return found

    @property
    def _process(self) -> subprocess.Popen[bytes]:
        assert self.process is not None
        return self.process

    def kill(self) -> None:
        """Ends everything that the host runs."""
        if self.process is None:
            return
        everything = [*self.processes(""), psutil.Process(self._process.pid)]
        for each in everything:
            try:
                each.kill()
            except psutil.Error:
                continue
        self._process.wait()
        self.process = None

    def remove(self) -> None:
        """Takes the host away."""
        self.kill()
        for words in (["link", "delete", f"fbt{self.number}"], ["netns", "delete", self.name]):
            subprocess.run(["ip", *words], capture_output=True, check=False)


@dataclass
class Cluster:
    """A master and its hosts."""

    hosts: list[Host]
    logs: Path

    def mend(self) -> None:
        """Starts what was killed and plugs in what was pulled, and waits for the workers."""
        for host in self.hosts:
            host.plug_in()
            if host.process is None or host.process.poll() is not None:
                host.start()
        self.wait(len(self.hosts))

    def wait(self, workers: int) -> None:
        """Waits until so many workers have registered since the last look."""
        for _ in range(600):
            if sum(_registered(host.logs / host.name) for host in self.hosts) >= workers:
                return
            time.sleep(0.1)
        raise AssertionError("the workers didn't find their master")


@contextmanager
def started(logs: Path, hosts: Sequence[Host]) -> Iterator[Cluster]:
    """Starts a cluster, and takes everything away in the end."""
    master = None
    try:
        _ip("link", "add", BRIDGE, "type", "bridge")
        _ip("addr", "add", f"{ADDRESS}.1/24", "dev", BRIDGE)
        _ip("link", "set", BRIDGE, "up")
        words = ["--host", f"{ADDRESS}.1", "--port", "7077"]
        master = _started(_spark("master.Master", *words), logs / "master")
        cluster = Cluster(list(hosts), logs)
        for host in hosts:
            host.start()
        cluster.wait(len(hosts))
        yield cluster
    finally:
        for host in hosts:
            host.remove()
        if master is not None:
            master.kill()
            master.wait()
        subprocess.run(["ip", "link", "delete", BRIDGE], capture_output=True, check=False)


def _spark(part: str, *words: str) -> list[str]:
    spark = str(Path(sys.executable).with_name("spark-class"))
    return [spark, f"org.apache.spark.deploy.{part}", "--webui-port", "0", *words]


def _started(words: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        **poisoned.environment(),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_WORKER_OPTS": "-Dspark.worker.timeout=15",
        "SPARK_MASTER_OPTS": "-Dspark.worker.timeout=15",
        "SPARK_DAEMON_MEMORY": "256m",
    }
    with log.open("wb") as file:
        return subprocess.Popen(words, env=environment, stdout=file, stderr=file)


def _registered(log: Path) -> bool:
    return b"Successfully registered" in log.read_bytes()


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
