"""The options that several commands share, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_EXTRACTION = "What is extracted (fixed for a collection's life)"
_EXECUTION = "How the work is done"
_LIMITS = "What one item may ask for"

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
        help="The same under a name of your own: NAME=URL. May be repeated.",
        metavar="NAME=URL",
    ),
]
Output = Annotated[
    str,
    typer.Option(
        "--output", "-o", help="The collection: a folder or fsspec URL; made if it isn't there."
    ),
]
CollectionArgument = Annotated[str, typer.Argument(help="The collection.", metavar="COLLECTION")]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config", help="TOML file with [extract], [run] and [cluster] tables.", metavar="FILE"
    ),
]
Detector = Annotated[
    str | None,
    typer.Option(
        help="Detector: mtcnn (default; weights of facenet-pytorch, MIT).",
        rich_help_panel=_EXTRACTION,
    ),
]
MaxSide = Annotated[
    int | None,
    typer.Option(
        help="Long side in pixels that photos are shrunk to for detection. Default 1024.",
        rich_help_panel=_EXTRACTION,
    ),
]
MinFace = Annotated[
    int | None,
    typer.Option(
        help="Smallest face, pixels at detection size. Default 24: 94 in a 4000-pixel photo.",
        rich_help_panel=_EXTRACTION,
    ),
]
Embedder = Annotated[
    str | None,
    typer.Option(
        help="Embedder: dlib-resnet (default; weights of face_recognition_models, CC0).",
        rich_help_panel=_EXTRACTION,
    ),
]
Tta = Annotated[
    str | None,
    typer.Option(
        help="Views averaged: none, mirror (default) or full (three scales, mirrored).",
        rich_help_panel=_EXTRACTION,
    ),
]
Chips = Annotated[
    bool | None,
    typer.Option(
        "--chips/--no-chips",
        help="Store the aligned faces too. Default: yes.",
        rich_help_panel=_EXTRACTION,
    ),
]
Frames = Annotated[
    str | None,
    typer.Option(
        help="Frames of videos that are looked at: fps (default), keyframes or all.",
        rich_help_panel=_EXTRACTION,
    ),
]
Fps = Annotated[
    float | None,
    typer.Option(
        help="Frames a second, with --frames fps. Default 1.", rich_help_panel=_EXTRACTION
    ),
]
VideoFaces = Annotated[
    str | None,
    typer.Option(
        help="Faces of a video that are kept: the best (default) few of each track, or all.",
        rich_help_panel=_EXTRACTION,
    ),
]
Guard = Annotated[
    bool | None,
    typer.Option(
        "--guard/--no-guard",
        help="Decode in a process of its own, so that a file that crashes or hangs its decoder "
        "costs itself only. Default: yes.",
        rich_help_panel=_LIMITS,
    ),
]
MaxPixels = Annotated[
    str | None,
    typer.Option(
        help="Largest picture that is decoded. Default 250M.",
        metavar="N",
        rich_help_panel=_LIMITS,
    ),
]
MaxBytes = Annotated[
    str | None,
    typer.Option(
        help="Largest photo file that is read. Default 2G.", metavar="N", rich_help_panel=_LIMITS
    ),
]
MaxFrames = Annotated[
    str | None,
    typer.Option(
        help="Most frames that are looked at in a video. Default 100k.",
        metavar="N",
        rich_help_panel=_LIMITS,
    ),
]
MaxSeconds = Annotated[
    float | None,
    typer.Option(
        help="Longest that decoding a photo, or a frame of a video, may take. Default 60.",
        rich_help_panel=_LIMITS,
    ),
]
Prune = Annotated[
    bool | None,
    typer.Option(
        "--prune/--no-prune",
        help="Remove from the collection what is no longer below its root. Default: no.",
        rich_help_panel=_EXECUTION,
    ),
]
MaxPrune = Annotated[
    str | None,
    typer.Option(
        help="Share of the items that --prune may remove before it refuses. Default 10%.",
        metavar="SHARE",
        rich_help_panel=_EXECUTION,
    ),
]
AllowEmpty = Annotated[
    bool | None,
    typer.Option(
        "--allow-empty",
        help="Accept an empty root of which items are known, in place of taking it for unmounted.",
        rich_help_panel=_EXECUTION,
    ),
]
Runner = Annotated[
    str | None,
    typer.Option(
        help="Beam runner. Default DirectRunner: processes of this machine.",
        rich_help_panel=_EXECUTION,
    ),
]
Engine = Annotated[
    str | None,
    typer.Option(
        help="What runs the networks: torch, openvino, or auto (default): OpenVINO if installed.",
        rich_help_panel=_EXECUTION,
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        help="Where they run: cpu, cuda, mps, or auto (default): a GPU if torch can use one.",
        rich_help_panel=_EXECUTION,
    ),
]
Workers = Annotated[
    str | None,
    typer.Option(
        help="Worker processes, or auto (default): one for each core, as far as memory allows.",
        metavar="N|auto",
        rich_help_panel=_EXECUTION,
    ),
]
Threads = Annotated[
    str | None,
    typer.Option(
        help="Threads of each worker, or auto (default): 1, or more where memory is too short "
        "for a worker on each core.",
        metavar="N|auto",
        rich_help_panel=_EXECUTION,
    ),
]
MaxFailures = Annotated[
    str | None,
    typer.Option(
        help="Share of items that may fail before the exit code is 3. Default 10%.",
        metavar="SHARE",
        rich_help_panel=_EXECUTION,
    ),
]
Retry = Annotated[
    list[str] | None,
    typer.Option(
        help="Try items again that failed with this reason code. May be repeated.",
        metavar="CODE",
        rich_help_panel=_EXECUTION,
    ),
]
GalleryOption = Annotated[
    str | None,
    typer.Option("--gallery", "-g", help="The gallery: a folder that `facebatch gallery` made."),
]
GalleryArgument = Annotated[
    str, typer.Argument(help="The gallery, a folder or fsspec URL.", metavar="GALLERY")
]
Method = Annotated[
    str | None,
    typer.Option(
        help="How a face is compared with a person's: centroid (default), nearest, both, vote, "
        "svm or knn."
    ),
]
Fpir = Annotated[
    float | None,
    typer.Option(
        help="Share of strangers that may be taken for somebody of the gallery. Default 0.01.",
    ),
]
Far = Annotated[
    float | None,
    typer.Option(help="Share of strangers that may be taken for the same. Default 0.001."),
]
Threshold = Annotated[
    float | None,
    typer.Option(help="Largest distance that is accepted, in place of an error rate."),
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
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show Beam's own messages.")]
Tau = Annotated[
    float | None,
    typer.Option(
        "--threshold",
        "--tau",
        help="Longest link within a person, squared distance 0..4. Default: by faces.",
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
PhotoConstraint = Annotated[
    bool | None,
    typer.Option(
        "--photo-constraint/--no-photo-constraint",
        help="Two faces in one photo are two people. Switch it off for collages and mirrors. "
        "Default: as for the current people, at first yes.",
    ),
]
