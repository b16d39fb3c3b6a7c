"""The options that several commands share, beside those of settings."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from facebatch.cli.command import COLLECTION_VARIABLE
from facebatch.errors import UsageError

Photos = Annotated[
    list[str] | None,
    typer.Argument(
        help="Folders, buckets, archives, files, globs or @LIST, as paths or URLs.",
        metavar="PHOTOS...",
    ),
]
Roots = Annotated[
    list[str] | None,
    typer.Option(
        "--root",
        help="The same under a name of your own. May be repeated.",
        metavar="NAME=URL",
    ),
]
Output = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        help="The collection: a folder or fsspec URL; made if it isn't there.",
        metavar="URL",
    ),
]
CollectionArgument = Annotated[
    str,
    typer.Argument(
        help="The collection, a folder or fsspec URL.",
        metavar="COLLECTION",
        envvar=COLLECTION_VARIABLE,
    ),
]
GalleryOption = Annotated[
    str | None,
    typer.Option(
        "--gallery",
        "-g",
        help="The gallery: a folder that `facebatch gallery` made.",
        metavar="URL",
    ),
]
GalleryArgument = Annotated[
    str, typer.Argument(help="The gallery, a folder or fsspec URL.", metavar="GALLERY")
]
GalleryOutput = Annotated[
    str,
    typer.Option("--output", "-o", help="The gallery: a folder or fsspec URL.", metavar="URL"),
]
PeopleFolders = Annotated[
    list[str],
    typer.Argument(
        help="Folders with one folder of photos a person; a person is called as its folder is.",
        metavar="FOLDER...",
    ),
]
Method = Annotated[
    str | None,
    typer.Option(
        help="How a face is compared with a person's: centroid (default), nearest, both, vote, "
        "svm or knn.",
        metavar="NAME",
    ),
]
Fpir = Annotated[
    float | None,
    typer.Option(
        help="Share of impostors, people who aren't in the gallery, that may be taken for somebody "
        "who is. Default: 0.01.",
        metavar="RATE",
    ),
]
Fdr = Annotated[
    float | None,
    typer.Option(
        help="Share of the names given that may be wrong; 1 leaves it to --fpir alone. Default: "
        "0.01.",
        metavar="RATE",
    ),
]
Far = Annotated[
    float | None,
    typer.Option(
        help="Share of impostors, pairs of two different people, that may be taken for the same "
        "person. Default: 0.001.",
        metavar="RATE",
    ),
]
Threshold = Annotated[
    float | None,
    typer.Option(
        help="Largest distance that is accepted, squared, 0..4, in place of an error rate.",
        metavar="D2",
    ),
]
MatchThreshold = Annotated[
    float | None,
    typer.Option(
        "--match-threshold",
        help="Largest squared distance, 0..4, at which a face is somebody of the gallery, in place "
        "of an error rate.",
        metavar="D2",
    ),
]
FormerMatchThreshold = Annotated[
    float | None,
    typer.Option("--threshold", hidden=True, help="The former --match-threshold.", metavar="D2"),
]
ThresholdFrom = Annotated[
    str | None,
    typer.Option(
        "--threshold-from",
        help="Where the distance for --fpir comes from: what was measured for the gallery or its "
        "embedder, or what the archive's own faces tell. Default: measured, where anything was.",
        metavar="measured|archive",
    ),
]
Face = Annotated[
    str,
    typer.Option(
        "--face",
        help="Which face of a photo is meant: the largest of those that are surely faces, the one "
        "nearest the centre, or a number, which counts them from the left, from 1.",
        metavar="largest|central|N",
    ),
]
Host = Annotated[
    str,
    typer.Option(
        help="The address to listen on. Any but this machine's own needs --password-file.",
        metavar="HOST",
    ),
]
Port = Annotated[
    int,
    typer.Option(help="The port; 0 for any that is free.", metavar="PORT", min=0, max=65535),
]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        help="A file with the password that browsers of other machines have to know.",
        metavar="FILE",
    ),
]
Language = Annotated[
    str | None,
    typer.Option(
        help="Language of the pages, en or zh; what each browser asks for by default.",
        metavar="LANGUAGE",
    ),
]
LogFormat = Annotated[
    str,
    typer.Option(
        "--log-format",
        help="What goes to standard error: text for people, or json, one object a line.",
        metavar="text|json",
    ),
]
MetricsFile = Annotated[
    Path | None,
    typer.Option(
        "--metrics-file",
        help="File for metrics of the run, as node_exporter's textfile collector reads them.",
        metavar="FILE.prom",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Json = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Show no progress, only the summary and errors.")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show Beam's own messages.")]
Tau = Annotated[
    float | None,
    typer.Option(
        "--threshold",
        "--tau",
        help="Longest link within a person, squared distance 0..4. Default: by faces.",
        metavar="D2",
        min=0.0,
        max=4.0,
    ),
]
FromScratch = Annotated[
    bool,
    typer.Option(
        "--from-scratch",
        help="Cluster all faces anew, with a longest link for today's number of them. People keep "
        "their ids by the faces they share; what moved is said.",
    ),
]

_SERVED_BY = ("starlette", "uvicorn", "python_multipart")


def check_served(command: str) -> None:
    """Refuses a command that serves pages where the packages for it aren't installed.

    Raises:
        UsageError: One is missing; the message says how to get it.
    """
    missing = [name for name in _SERVED_BY if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"{missing[0]} isn't installed: `pip install 'facebatch[review]'` brings what "
            f"`facebatch {command}` needs"
        )
