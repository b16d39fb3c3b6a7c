"""``facebatch train``: embedders of your own, from photos of people who are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from facebatch.cli import options, output, progress
from facebatch.cli.command import Command, Group, group
from facebatch.cli.settings_options import Asked, takes_settings
from facebatch.storage.printable import count

Model = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        help="Folder of the model, which is called as the folder is.",
        metavar="MODEL",
    ),
]
_LEARNING = "How it learns"

REFUSED_EXIT_CODE = 4


def _option(text: str, metavar: str, panel: str | None = _LEARNING) -> Any:
    return typer.Option(help=text, metavar=metavar, rich_help_panel=panel)


@takes_settings(
    *("detector", "max_side", "min_face", "device", "workers", "exclude", "follow_links"),
    "max_failures",
)
def embedder(
    asked: Asked,
    data: Annotated[
        str,
        typer.Argument(
            help="A folder with one folder of photos a person, or a collection with named people.",
            metavar="DATA",
        ),
    ],
    model: Model,
    backbone: Annotated[
        str, _option("The network.", "mobilenetv1|inception-resnet-v1")
    ] = "mobilenetv1",
    dimension: Annotated[int, _option("Numbers a face.", "128|512")] = 128,
    width: Annotated[float, _option("Factor of mobilenetv1's channels.", "N")] = 1.0,
    side: Annotated[
        int | None,
        _option("Side of the chips in pixels. Default: 112, of inception-resnet-v1 160.", "N"),
    ] = None,
    weights: Annotated[
        str | None,
        _option(
            "Weights to begin with: weights.pt of an earlier training, a state dict of torch's, or "
            "facenet-vggface2 or facenet-casia for inception-resnet-v1.",
            "FILE|NAME",
        ),
    ] = None,
    loss: Annotated[
        str, _option("What is minimised.", "triplet|ce|ce+triplet|arcface")
    ] = "ce+triplet",
    mining: Annotated[
        str, _option("Which triplets of a batch count.", "batch-hard|semi-hard")
    ] = "batch-hard",
    people: Annotated[int, _option("People a batch.", "N")] = 16,
    photos: Annotated[int, _option("Photos of each of them.", "N")] = 4,
    steps: Annotated[int, _option("Batches, at most.", "N")] = 2000,
    frozen_steps: Annotated[
        int, _option("Batches at the beginning in which the last layer alone learns.", "N")
    ] = 0,
    rate: Annotated[float, _option("Largest learning rate.", "N")] = 3e-3,
    every: Annotated[int, _option("Batches between two evaluations and checkpoints.", "N")] = 100,
    patience: Annotated[
        int, _option("Evaluations without a better one after which it stops.", "N")
    ] = 10,
    held_out: Annotated[
        float, _option("Share of the people that are held out, to stop and to test by.", "SHARE")
    ] = 0.2,
    seed: Annotated[int, _option("Seed of all that is drawn.", "N")] = 0,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write TensorBoard's files too.")
    ] = False,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
) -> None:
    """Train an embedder, and put it into the models folder: `--embedder` takes it by its name.

    People are split: most are trained on, some say when to stop, and the figures are of others.
    Stopped at any moment, the same command goes on where it was. docs/training.md says what to
    expect.
    """
    output.quiet(verbose)
    from facebatch.jobs.train import train_embedder
    from facebatch.train import TrainSettings
    from facebatch.train.settings import SIDES

    settings = TrainSettings(
        backbone=backbone,  # type: ignore[arg-type]
        dimension=dimension,
        width=width,
        side=SIDES.get(backbone, 112) if side is None else side,
        loss=loss,  # type: ignore[arg-type]
        mining=mining,  # type: ignore[arg-type]
        people=people,
        photos=photos,
        steps=steps,
        frozen_steps=frozen_steps,
        rate=rate,
        every=every,
        patience=patience,
        held_out=held_out,
        seed=seed,
    )
    run = asked.run()
    with progress.shown(not as_json) as show:
        summary = train_embedder(
            data,
            model,
            settings,
            asked.flags,
            run,
            show,
            weights=weights,
            tensorboard=tensorboard,
        )
    output.emit(summary, _lines(summary), as_json)


def head(
    collection: options.CollectionArgument,
    model: Model,
    seed: Annotated[int, _option("Seed of all that is drawn.", "N", None)] = 0,
    as_json: options.Json = False,
) -> None:
    """Fit a small head behind a collection's embedder to its named people, if it helps others.

    Heads of four kinds are fitted to a part of the people and tried on the rest. The best is kept
    where the interval of its gain lies above zero; otherwise the figures are said, nothing is
    written, and the exit code is 4.
    """
    output.quiet(verbose=False)
    from facebatch.jobs.train_head import train_head

    with progress.shown(not as_json) as show:
        summary = train_head(collection, model, show, seed)
    output.emit(summary, _head_lines(summary), as_json)
    if summary["accepted"] is None:
        raise typer.Exit(REFUSED_EXIT_CODE)


def _head_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"heads behind {summary['embedder']}, of {count(summary['faces'], 'face')} of "
        f"{count(summary['people'], 'named person', 'named people')}: TAR at FAR "
        f"{summary['far']:g} of people whom they weren't fitted on"
    )
    for kind, found in summary["heads"].items():
        yield (
            f"  {kind:<10}{found['tar_before']:.3f} -> {found['tar_after']:.3f}, gain "
            f"{found['gain']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f})"
        )
    if summary["accepted"] is None:
        yield "refused: no head is sure to help people whom it wasn't fitted on; nothing is written"
        return
    yield f"accepted: {summary['accepted']}; use it by --embedder {summary['name']}"
    yield f"thresholds: {summary['thresholds']}"


def _lines(summary: Mapping[str, Any]) -> Iterator[str]:
    people, photos, measured = summary["people"], summary["photos"], summary["figures"]
    yield (
        f"trained {summary['name']} on {count(photos['trained'], 'photo')} of "
        f"{count(people['trained'], 'person', 'people')} in {summary['seconds']:,.0f} s: step "
        f"{summary['step']:,} was the best of {summary['steps']:,}"
        f"{', stopped early' if summary['stopped_early'] else ''}"
    )
    tars = "".join(
        f", TAR {tar:.3f} at FAR {far}"
        for far, tar in measured["tar_at_far"].items()
        if tar is not None
    )
    yield (
        f"accuracy {measured['accuracy']:.4f} on {summary['pairs']:,} pairs of "
        f"{count(people['tested'], 'person', 'people')} held out{tars}"
    )
    left = summary["left_out"]
    if left["photos"]:
        reasons = ", ".join(f"{number} {code}" for code, number in left["photos"].items())
        yield f"left out: {count(sum(left['photos'].values()), 'photo')} ({reasons})"
    if left["people"]:
        yield f"nobody found for: {', '.join(left['people'])}"
    yield f"thresholds: {summary['thresholds']}"
    yield f"report: {summary['model']}/report.html; use it by --embedder {summary['name']}"


class _Train(Group):
    """The group whose first command is meant where none is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parses the arguments; those that name no command are the first one's."""
        if args and args[0] not in (*self.commands, *self.get_help_option_names(ctx)):
            args = [next(iter(self.commands)), *args]
        return super().parse_args(ctx, args)


app = group(
    "train",
    "Train an embedder of your own, and put it into the models folder.",
    (
        Command(embedder, "facebatch train embedder ~/people -o ~/models/mine"),
        Command(head, "facebatch train head ~/faces -o ~/models/mine"),
    ),
    cls=_Train,
)
