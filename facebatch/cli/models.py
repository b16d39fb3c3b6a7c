"""``facebatch models``: which networks there are, and bringing their weights."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facebatch.cli import options, output
from facebatch.cli.command import Command, group
from facebatch.cli.maintenance import DAMAGED_EXIT_CODE

if TYPE_CHECKING:
    from facebatch.models.weights.copies import Brought
    from facebatch.models.weights.fetch import Started

Names = Annotated[
    list[str],
    typer.Argument(
        help="Models, by the names that `facebatch models list` gives, or `recommended`.",
        metavar="NAME...",
    ),
]
SomeNames = Annotated[
    list[str] | None,
    typer.Argument(help="Models; all that are installed by default.", metavar="NAME..."),
]


def list_models(as_json: options.Json = False) -> None:
    """List the models: what they are, who may use them for what, and which are installed."""
    from facebatch.models.weights.catalogue import catalogue

    summary = catalogue()
    output.emit(summary, _listed(summary), as_json)


def fetch(names: Names, as_json: options.Json = False) -> None:
    """Download models into the models folder, and go on where an earlier download was stopped.

    Nothing is used before its hash was compared with that of its card. FACEBATCH_MODELS names the
    folder, FACEBATCH_MODELS_URL a mirror; proxies are those of HTTPS_PROXY.
    """
    from facebatch.errors import DownloadError
    from facebatch.models.weights import fetch as fetching

    cards = fetching.chosen(names)
    with _bars(shown=not as_json) as started:
        done = fetching.fetch(cards, started)
    summary = _brought(done.files)
    output.emit(summary, _brought_lines(summary), as_json)
    if done.missing:
        raise DownloadError("; ".join(done.missing))


def verify(names: SomeNames = None, as_json: options.Json = False) -> None:
    """Hash the files of models, and compare them with their cards.

    Ends with exit code 0 when all are right and with 4 when one is wrong, or missing and asked for.
    """
    from facebatch.models import registry
    from facebatch.models.weights import catalogue
    from facebatch.models.weights.fetch import chosen

    cards = chosen(names) if names else registry.all_cards()
    found = catalogue.verify(cards, named=bool(names))
    lines = (
        f"{file['state']:<9}{file['model']}/{file['file']}: {file['message']}" for file in found
    )
    output.emit({"files": found}, lines, as_json)
    if any(file["state"] != "ok" for file in found):
        raise typer.Exit(DAMAGED_EXIT_CODE)


def add(
    files: Annotated[
        list[Path],
        typer.Argument(help="Files of weights, or an archive that holds some.", metavar="FILE..."),
    ],
    card: Annotated[
        Path | None,
        typer.Option(
            "--card",
            help="What the files are, in a TOML file as docs/models.md describes it. Without it "
            "they must be those of a known model.",
            metavar="TOML",
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Copy files that were got by hand into the models folder, for a known model or your own.

    Files whose card names no hash get theirs kept now, and are held to it from then on.
    """
    from facebatch.models.weights import copies

    summary = _brought(copies.add(files, card))
    output.emit(summary, _brought_lines(summary), as_json)


def export(
    folder: Annotated[
        Path, typer.Argument(help="Where they go; made if it isn't there.", metavar="FOLDER")
    ],
    names: SomeNames = None,
    as_json: options.Json = False,
) -> None:
    """Copy models into a folder for a machine without a network, with their cards.

    There FACEBATCH_MODELS names the folder. Behind a web server it is a mirror, which
    FACEBATCH_MODELS_URL names. What comes with packages is left to pip.
    """
    from facebatch.models.weights import copies
    from facebatch.models.weights.fetch import chosen

    done = copies.export(folder, chosen(names) if names else copies.exportable())
    summary = _brought(done)
    output.emit(summary, _brought_lines(summary), as_json)


@contextmanager
def _bars(shown: bool) -> Iterator[Started]:
    """Gives what shows downloads, on a terminal's stderr."""
    if not (shown and sys.stderr.isatty()):
        yield lambda name: lambda there, total: None  # noqa: ARG005
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as bars:

        def started(name: str) -> Callable[[int, int | None], None]:
            task = bars.add_task(name, total=None)

            def show(there: int, total: int | None) -> None:
                bars.update(task, completed=there, total=total)

            return show

        yield started


def _brought(files: Sequence[Brought]) -> dict[str, Any]:
    """Returns what is in its place now, and what holds for its models."""
    from facebatch.models import registry
    from facebatch.models.weights.catalogue import COMMERCIAL

    cards = {entry.file.model: registry.card(entry.file.model) for entry in files}
    return {
        "files": [
            {
                "model": entry.file.model,
                "file": entry.file.name,
                "path": str(entry.place),
                "state": entry.state,
            }
            for entry in files
        ],
        "licences": {
            name: {"licence": card.licence, "commercial": COMMERCIAL[card.commercial]}
            for name, card in cards.items()
        },
    }


def _brought_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    for file in summary["files"]:
        yield f"{file['state']:<9}{file['path']}"
    for name, said in summary["licences"].items():
        if said["commercial"] != "yes":
            commercial = "not for" if said["commercial"] == "no" else "unclear whether for"
            yield f"{name} is {commercial} commercial use: {said['licence']}"


def _listed(summary: Mapping[str, Any]) -> Iterator[str]:
    yield f"{'name':<18}{'kind':<10}{'commercial':<12}{'size':>9}  {'from':<9}installed"
    for model in summary["models"]:
        size = "" if model["bytes"] is None else f"{model['bytes'] / 1e6:.1f} MB"
        name = model["name"] + ("*" if model["recommended"] else "")
        yield (
            f"{name:<18}{model['kind']:<10}{model['commercial']:<12}{size:>9}  {model['by']:<9}"
            f"{'yes' if model['installed'] else 'no'}"
        )
        yield f"  {model['summary']}"
        yield f"  licence: {model['licence']}"
        for what, figure in model["figures"].items():
            yield f"  {what} {figure['value']:.4g}: {figure['source']}"
    yield f"* recommended. The models folder is {summary['folder']}"
    for message in summary["damaged_cards"]:
        yield f"left out: {message}"


app = group(
    "models",
    "Which networks there are, and bringing their weights.",
    (
        Command(list_models, "facebatch models list", name="list"),
        Command(fetch, "facebatch models fetch recommended"),
        Command(verify, "facebatch models verify"),
        Command(add, "facebatch models add ~/Downloads/mine.onnx --card mine.toml"),
        Command(export, "facebatch models export /media/stick/models mobilefacenet"),
    ),
)
