"""How the last run went, in Prometheus' text format, for node_exporter's textfile collector.

One file a collection, written whole at the end of every run, whether it went well or not. Times
are seconds, sizes bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facebatch.errors import InputError, UsageError
from facebatch.storage.local_files import whole_file

if TYPE_CHECKING:
    from prometheus_client import Metric

_LAST_SUCCESS = "facebatch_last_success_timestamp_seconds"
_TRIED = ("extracted", "duplicates", "moved", "touched", "quarantined")


@dataclass(frozen=True)
class Sample:
    """What is measured of one run; None for what isn't known, as after an early end.

    Args:
        collection: Name of the collection, the label of every line.
        exit_code: What the run ended with.
        finished: When it ended, seconds since the epoch.
        seconds: How long it took.
        last_success: When a run last ended with 0, seconds since the epoch.
        stages: Seconds of each stage that was run.
        new_items: Items that the run extracted or tried to.
        new_failures: How many of them were quarantined, by reason.
        items: Items of the collection, by status.
        quarantined: Items of the collection that are quarantined, by reason.
        faces: Faces of the collection.
        people: People of the collection.
        size: Bytes of its tables.
    """

    collection: str
    exit_code: int
    finished: float
    seconds: float
    last_success: float | None = None
    stages: Mapping[str, float] = field(default_factory=dict)
    new_items: int | None = None
    new_failures: Mapping[str, int] = field(default_factory=dict)
    items: Mapping[str, int] = field(default_factory=dict)
    quarantined: Mapping[str, int] = field(default_factory=dict)
    faces: int | None = None
    people: int | None = None
    size: int | None = None


def sample_of(
    summary: Mapping[str, Any],
    *,
    collection: str,
    exit_code: int,
    finished: float,
    seconds: float,
    holding: Mapping[str, Any] | None = None,
) -> Sample:
    """Returns what is measured of a run.

    Args:
        summary: As `Run.as_json` or `Extraction.as_json` of the pipelines gives it, where stages
            may be missing; empty for a run that ended before there was one. Seconds of the stages
            after the extraction are those of ``stage_seconds``, where it is there.
        collection: Name of the collection.
        exit_code: What the run ended with.
        finished: When it ended, seconds since the epoch.
        seconds: How long it took.
        holding: What the collection holds, as `inspect_collection` says it.
    """
    done = summary if "plan" in summary else summary.get("extract", {})
    tried = [done[name] for name in _TRIED if name in done]
    stages = {"extract": done["seconds"]} if "seconds" in done else {}
    held = holding or {}
    return Sample(
        collection=collection,
        exit_code=exit_code,
        finished=finished,
        seconds=seconds,
        last_success=finished if exit_code == 0 else None,
        stages={**stages, **summary.get("stage_seconds", {})},
        new_items=sum(tried) if tried else None,
        new_failures=done.get("reasons", {}),
        items=held.get("media", {}),
        quarantined=held.get("reasons", {}),
        faces=held.get("faces", summary.get("index", {}).get("faces")),
        people=held.get("people", summary.get("people", {}).get("active")),
        size=held.get("bytes"),
    )


def exposition(sample: Sample) -> str:
    """Returns a sample in Prometheus' text exposition format, version 0.0.4."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_Collector(sample))
    return generate_latest(registry).decode()


class _Collector:
    """Gives a sample to a registry of prometheus-client."""

    def __init__(self, sample: Sample) -> None:
        self._sample = sample

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily

        for family in _families(self._sample):
            own = [] if family.label is None else [family.label]
            gauge = GaugeMetricFamily(family.name, family.help, labels=["collection", *own])
            for key, value in sorted(family.values.items()):
                if value is not None:
                    gauge.add_metric([self._sample.collection, *([key] if own else [])], value)
            if gauge.samples:
                yield gauge


@dataclass(frozen=True)
class _Family:
    """One metric: its values, by the value of its own label where it has one."""

    name: str
    help: str
    values: Mapping[str, float | None]
    label: str | None = None


def _families(sample: Sample) -> Iterator[_Family]:
    def one(name: str, text: str, value: float | None) -> _Family:
        return _Family(f"facebatch_{name}", text, {"": value})

    def each(name: str, text: str, label: str, values: Mapping[str, float]) -> _Family:
        return _Family(f"facebatch_{name}", text, values, label)

    run = "the last run"
    yield one("run_timestamp_seconds", f"When {run} ended.", sample.finished)
    yield one("run_success", f"Whether {run} ended with exit code 0.", sample.exit_code == 0)
    yield one("run_exit_code", f"Exit code of {run}.", sample.exit_code)
    yield one("run_duration_seconds", f"How long {run} took.", sample.seconds)
    yield one("last_success_timestamp_seconds", "When a run last ended well.", sample.last_success)
    text = f"How long each stage of {run} took."
    yield each("stage_duration_seconds", text, "stage", sample.stages)
    yield one("new_items", f"Items that {run} extracted or tried to.", sample.new_items)
    text = f"Items that {run} quarantined, by reason."
    yield each("new_quarantined_items", text, "reason", sample.new_failures)
    yield each("items", "Items of the collection, by status.", "status", sample.items)
    text = "Items of the collection that are quarantined, by reason."
    yield each("quarantined_items", text, "reason", sample.quarantined)
    yield one("faces", "Faces of the collection.", sample.faces)
    yield one("people", "People of the collection.", sample.people)
    yield one("collection_bytes", "Size of the collection's tables.", sample.size)


def check_target(path: Path) -> None:
    """Refuses a place for the file that can't be written, before a night's work.

    Raises:
        UsageError: Its folder isn't there, or it is a folder itself.
    """
    if not path.parent.is_dir():
        raise UsageError(f"--metrics-file {path}: there is no folder {path.parent}")
    if path.is_dir():
        raise UsageError(f"--metrics-file {path}: it is a folder")


def write(path: Path, sample: Sample) -> None:
    """Puts a sample into a file, whole or not at all.

    After a run that failed, the time of the last one that went well stays what the file says.

    Raises:
        InputError: The file can't be written.
    """
    last = sample.last_success if sample.last_success is not None else _last_success(path)
    try:
        with whole_file(path) as file:
            file.write(exposition(replace(sample, last_success=last)).encode())
    except OSError as error:
        raise InputError(f"{path} can't be written: {error}") from error


def _last_success(path: Path) -> float | None:
    """Returns when a run last went well by a file that was written before."""
    try:
        text = path.read_text("utf-8")
    except (OSError, ValueError):
        return None
    found = re.search(rf"^{_LAST_SUCCESS}\{{.*\}} ([0-9.e+]+)$", text, re.MULTILINE)
    return float(found[1]) if found else None
