"""The program's commands: what its help says of each, and the module that is imported for it.

The help of the program shows what stands here and imports no command. A test compares it with
what the commands say of themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import copy
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

from typer.core import TyperCommand
from typer.main import get_command

from facebatch.cli.command import Group, single

PIPELINE = "Pipeline: from photos to people"
PEOPLE = "People: who they are, and what you know of them"
ONE_PHOTO = "One photo at a time"
EVALUATION = "Evaluation"
UPKEEP = "Upkeep of a collection"


_CODE = re.compile("`(.*?)`")


class Listed(NamedTuple):
    """A command as the program's help lists it.

    Args:
        panel: The panel that it stands in.
        module: Module of `facebatch.cli` that defines it: among its ``COMMANDS``, or as its
            ``app`` where it is a group.
        summary: First paragraph of its help.
    """

    panel: str
    module: str
    summary: str


LISTED = {
    "run": Listed(
        PIPELINE,
        "commands",
        "Photos to people: extract what is new, index, cluster, write the report.",
    ),
    "extract": Listed(
        PIPELINE,
        "commands",
        "Photos to faces: list, decode, detect, align, embed and commit what is new.",
    ),
    "index": Listed(PIPELINE, "commands", "Faces to a search index (FAISS)."),
    "identify": Listed(
        PIPELINE, "identify", "Faces to names: say of every face who of a gallery it is, or nobody."
    ),
    "cluster": Listed(
        PIPELINE,
        "commands",
        "Faces to people: new faces join whom they resemble, or found somebody; nobody else "
        "changes.",
    ),
    "report": Listed(
        PIPELINE,
        "commands",
        "Write report.html anew: people, what is doubtful, what failed and why, settings.",
    ),
    "demo": Listed(
        PIPELINE,
        "commands",
        "Render an album of invented people, run everything on it, and score it against the truth.",
    ),
    "people": Listed(
        PEOPLE,
        "people",
        "Look at people, name them, and put right whom the clustering took for whom.",
    ),
    "review": Listed(
        PEOPLE,
        "review",
        "Name people and put them right in a browser: a local web application.",
    ),
    "live": Listed(
        PEOPLE,
        "live",
        "Recognise people live: in a camera's pictures, in a stream, or in a file as it plays.",
    ),
    "import": Listed(PEOPLE, "importing", "Take over what other programs know of the faces."),
    "gallery": Listed(PEOPLE, "gallery", "Enrol people into a gallery, and look after it."),
    "export": Listed(
        PEOPLE,
        "export",
        "Write names and boxes for other programs: XMP sidecars with face regions, and CSV.",
    ),
    "search": Listed(
        ONE_PHOTO,
        "identify",
        "Find the faces of a collection that are nearest to a face of a photo.",
    ),
    "verify": Listed(
        ONE_PHOTO,
        "identify",
        "Say whether two photos show the same person, by the largest face of each.",
    ),
    "unlock": Listed(
        ONE_PHOTO,
        "identify",
        "Accept or refuse one claimed person, against the centroid of the enrolled photos.",
    ),
    "annotate": Listed(
        ONE_PHOTO,
        "identify",
        "Write copies of photos and videos with a box around every face, and a name by a gallery.",
    ),
    "calibrate": Listed(
        EVALUATION,
        "identify",
        "Measure thresholds for stated error rates on labelled photos, and keep them.",
    ),
    "train": Listed(
        EVALUATION, "train", "Train an embedder of your own, and put it into the models folder."
    ),
    "evaluate": Listed(EVALUATION, "evaluate", "Score faces, names and people against the truth."),
    "inspect": Listed(
        UPKEEP,
        "commands",
        "Say what a collection holds: items, faces, people, failures, settings, size.",
    ),
    "convert": Listed(
        UPKEEP,
        "convert",
        "Make a collection of the same faces with another embedder, from the chips that are "
        "stored.",
    ),
    "compact": Listed(
        UPKEEP,
        "maintenance",
        "Merge small shards into large ones, and leave out rows that no longer count.",
    ),
    "check": Listed(
        UPKEEP,
        "maintenance",
        "Verify a collection: every file, every id, every link; and say what would be repaired.",
    ),
    "erase": Listed(
        UPKEEP,
        "erase",
        "Erase people, faces or photos for good: rows, chips, embeddings, index entries, names.",
    ),
    "models": Listed(UPKEEP, "models", "Which networks there are, and bringing their weights."),
    "help": Listed(UPKEEP, "help_command", "Show what a command does, with all of its options."),
}
"""Every command by its name, in the order of the help."""


class _Commands(Mapping[str, Any]):
    """The commands, each imported when it is asked for."""

    def __getitem__(self, name: str) -> Any:
        """Returns a command.

        Raises:
            KeyError: There is none of that name.
        """
        return _imported(name, LISTED[name].module)

    def __iter__(self) -> Iterator[str]:
        """Yields their names."""
        return iter(LISTED)

    def __len__(self) -> int:
        """Returns their number."""
        return len(LISTED)


@cache
def _imported(name: str, module: str) -> Any:
    """Returns a command, or a group of commands, of a module."""
    defines = import_module(f"facebatch.cli.{module}")
    if hasattr(defines, "app"):
        return get_command(defines.app)
    return single(next(each for each in defines.COMMANDS if each.called == name))


class Program(Group):
    """The group of all commands, none of which it imports for its own help."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{**settings, "commands": None})
        commands: Any = _Commands()
        self.commands = commands

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 (Click's signature)
        """Returns the names of all commands."""
        return list(LISTED)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Writes the help by what is listed, as Rich's markup: it is read faster than Markdown."""
        page = copy(self)
        page.commands = {
            name: TyperCommand(name, help=each.summary, rich_help_panel=each.panel)
            for name, each in LISTED.items()
        }
        page.rich_markup_mode = "rich"
        page.epilog = _CODE.sub(r"[markdown.code]\1[/]", self.epilog or "")
        super(Program, page).format_help(ctx, formatter)
