"""Train: from photos or a collection of named people to an embedder that every command takes."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facebatch.collection.sources import Sources
from facebatch.config import ExtractSettings, RunSettings
from facebatch.embed import DEFAULT_TTA
from facebatch.errors import UsageError
from facebatch.evaluate.pairs import PairCurves
from facebatch.identify.fit_calibration import calibrate_pairs, pair_distances
from facebatch.identify.space_measures import space_thresholds
from facebatch.jobs.evaluate import evaluate_pairs
from facebatch.jobs.evaluated_photos import Source
from facebatch.jobs.known_people import Learnt, check_data, learnt_from
from facebatch.models import onnx_runtime
from facebatch.models import space_thresholds as spaces
from facebatch.models.card import Figure, parse
from facebatch.models.engines import DEFAULT_DEVICE, choose
from facebatch.models.folder import CARD, models_folder, user_card
from facebatch.models.weights import copies
from facebatch.monitor.stages import Report, Step
from facebatch.report.evaluation.model import Error, Face
from facebatch.report.evaluation.training import PAGE, training_page
from facebatch.storage.local_files import whole_file
from facebatch.storage.store import Storage
from facebatch.storage.urls import public_url
from facebatch.train import NamedChips, Split, TrainSettings, split_people
from facebatch.train.metrics import Progress as TrainProgress
from facebatch.train.metrics import read as read_metrics
from facebatch.train.people import VerificationPairs, draw_pairs, draw_photos
from facebatch.train.settings import need
from facebatch.train.verification import HeldOut, figures

if TYPE_CHECKING:
    from facebatch.embed.views import ViewsEmbedder
    from facebatch.train.loop import Trained, Training, Triplet

SUMMARY = "training.json"
"""Written last: what the training gave. Without it the same command goes on."""

PAIRS = "pairs.csv"
_FACES, _EVALUATION = "faces", "evaluation"
_TRIPLETS_SHOWN = 8
_MOST_CALIBRATED = 10_000
"""Photos that thresholds are measured on: all their pairs, 50 million, are held in memory."""


def check_training(model: Path, tensorboard: bool = False, backbone: str | None = None) -> None:
    """Refuses a training that couldn't be brought to its end, before anything is done.

    Args:
        model: Folder of the model; it is called as its folder is.
        tensorboard: Whether TensorBoard's files are asked for.
        backbone: The network that is trained; None for none.

    Raises:
        UsageError: A package is missing, the model can't be called so, is trained already, or is
            another that is in the models folder, or that folder can't be written.
    """
    from facebatch.train.export import check_name

    check_name(model.name)
    need("pytorch_metric_learning", "train")
    need("onnx", "train")
    if tensorboard:
        need("tensorboard", "tensorboard")
    if backbone == "inception-resnet-v1":
        need("facenet_pytorch", "train")
    if not onnx_runtime.can_run():
        need("onnxruntime", "onnx")
    if (model / SUMMARY).exists():
        raise UsageError(f"{model} is trained already: choose another place")
    installed = user_card(model.name)
    if installed and installed.files != _files_in(model):
        raise UsageError(
            f"a model called {model.name} is in {models_folder()} already: call the folder "
            "something else"
        )
    make_folder(models_folder())
    if not os.access(models_folder(), os.W_OK):
        raise UsageError(f"{models_folder()} can't be written")


def make_folder(folder: Path) -> None:
    """Makes a folder, where it isn't there.

    Raises:
        UsageError: It can't be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{error.filename} can't be made: {error.strerror}") from error


@contextmanager
def locked(model: Path) -> Iterator[None]:
    """Keeps other trainings out of a model's folder for the time of a block.

    Raises:
        UsageError: Another one is in it.
    """
    handle = os.open(model, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"another training goes on in {model}") from error
        except OSError:  # a file system that knows no locks, as some over a network
            pass
        yield
    finally:
        os.close(handle)


def _files_in(model: Path) -> object:
    card = model / CARD
    return parse(card.read_bytes(), str(card)).files if card.exists() else None


def train_embedder(
    data: str,
    model: Path,
    settings: TrainSettings,
    flags: Mapping[str, Any],
    run: RunSettings,
    report: Report,
    *,
    weights: str | None = None,
    tensorboard: bool = False,
) -> dict[str, Any]:
    """Trains an embedder and puts it into the models folder; one that was cut off goes on.

    Args:
        data: A folder with one folder of photos a person, or a collection with named people.
        model: Folder of the model.
        settings: How it is trained.
        flags: Extraction settings given on the command line.
        run: Workers and device.
        report: Called with the progress of extraction and training.
        weights: What it begins with; see `facebatch.train.nets.build`.
        tensorboard: Whether TensorBoard's files are written.

    Returns:
        What it gave, as plain data.

    Raises:
        UsageError: As `check_training` and `check_data`; or the folder holds another training, or
            one that goes on at this moment.
        InputError: There are too few people, or none with two photos.
        TooManyFailures: Too many photos couldn't be read; the model is there all the same.
    """
    check_training(model, tensorboard, settings.backbone)
    check_data(data, str(model / _FACES), flags, run)
    make_folder(model)
    with locked(model):
        learnt = learnt_from(data, str(model / _FACES), flags, run, report)
        split = split_people(learnt.chips, settings.held_out, settings.seed)
        import torch

        from facebatch.train.loop import Training

        torch.set_num_threads(run.with_resolved_workers().workers or 1)
        trainer = Training(
            learnt.chips,
            split,
            settings,
            model,
            weights=weights,
            device=choose("torch", run.device).device,
            tensorboard=tensorboard,
        )
        trained, triplets = _trained(trainer, report)
        report(Step("export"))
        said = _said(learnt, split, settings, trained, weights)
        pairs = draw_pairs(learnt.chips, split.tested, settings.seed)
        measured, curves = _exported(model, trained, learnt, pairs, settings, said, (run, report))
        summary = {
            "name": model.name,
            "model": str(model),
            "settings": asdict(settings),
            **_facts(learnt, split, trained),
            "pairs": len(pairs.same),
            "figures": measured,
            "thresholds": _calibrated(model, learnt, split, settings),
        }
        shown = [_shown(learnt.chips, triplet) for triplet in triplets]
        page = training_page(summary, read_metrics(model / "metrics.jsonl"), curves, shown)
        for name, text in ((PAGE, page), (SUMMARY, json.dumps(summary, indent=2))):
            with whole_file(model / name) as out:
                out.write(text.encode("utf-8", "replace"))
        if learnt.extraction:
            learnt.extraction.check_failures(run.max_failures)
        return summary


def _trained(trainer: Training, report: Report) -> tuple[Trained, list[Triplet]]:
    """Trains to the end, and returns the hardest triplets too."""
    first = trainer.step

    def told(at: TrainProgress) -> None:
        report(Step("training", at.step - first, at.steps - first, note=_note(at)))

    report(Step("training"))
    trained = trainer.run(told)
    return trained, trainer.hardest(_TRIPLETS_SHOWN)


def _facts(learnt: Learnt, split: Split, trained: Trained) -> dict[str, Any]:
    """Returns what a training was of and how it went, as plain data."""
    parts = vars(split).items()
    return {
        "data": {"from": public_url(learnt.data), "fingerprint": learnt.chips.fingerprint},
        "people": {name: len(people) for name, people in parts},
        "photos": {name: _photos(learnt.chips, people) for name, people in parts},
        "left_out": learnt.left_out(),
        "device": trained.device,
        "step": trained.step,
        "steps": trained.steps,
        "stopped_early": trained.stopped_early,
        "seconds": round(trained.seconds, 1),
        "stopping": trained.best,
    }


def _photos(chips: NamedChips, people: Sequence[str]) -> int:
    return sum(len(chips.rows[name]) for name in people)


def _note(at: TrainProgress) -> str:
    note = f"step {at.step:,}, loss {at.loss:.3f}"
    if at.accuracy is None or at.best is None:
        return note
    return f"{note}, accuracy {at.accuracy:.3f}, best {at.best:.3f}"


def _said(
    learnt: Learnt, split: Split, settings: TrainSettings, trained: Trained, weights: str | None
) -> dict[str, str]:
    """Returns what the model card says of the network in words."""
    size = f"{_photos(learnt.chips, split.trained)} photos of {len(split.trained)} people"
    begun, terms = "", ""
    if weights:
        begun = f", beginning with {Path(weights).name}"
        terms = f", and that of {Path(weights).name}, which it began with"
    return {
        "summary": f"{settings.backbone} trained with facebatch on {size}.",
        "licence": f"that of the photos which it was trained on{terms}; nobody has stated one",
        "source": f"facebatch train: {settings.loss}, step {trained.step} of {trained.steps}"
        f"{begun}; training data {learnt.chips.fingerprint} ({len(learnt.chips.chips)} chips, "
        f"{learnt.chips.template.name})",
    }


def _exported(
    model: Path,
    trained: Trained,
    learnt: Learnt,
    pairs: VerificationPairs,
    settings: TrainSettings,
    said: Mapping[str, str],
    measuring: tuple[RunSettings, Report],
) -> tuple[dict[str, Any], PairCurves]:
    """Writes network, card and pairs, brings them to the models folder and measures them."""
    from facebatch.train.export import write_card, write_network

    sha256 = write_network(model, trained.net, settings.side)
    with whole_file(model / PAIRS) as out:
        out.write(pairs.as_csv(learnt.chips.sources).encode("utf-8", "surrogateescape"))

    def install(measured: Mapping[str, Figure]) -> None:
        write_card(model, sha256, settings, learnt.chips.template, said, measured)
        copies.add([model / f"{model.name}.onnx"], model / CARD)

    install({})
    if learnt.extraction is None:
        score = HeldOut.of(learnt.chips, pairs, settings.side).score(embedding_of(model))
        found, curves = figures(score), score.curves
        how = "on stored chips, averaged with the mirror image"
    else:
        found, curves = _evaluated(model, learnt, pairs, *measuring)
        how = f"facebatch evaluate pairs --pairs {PAIRS}"
    source = f"measured when it was trained, on {len(pairs.same)} pairs of held-out people; {how}"
    shown = {"accuracy": found["accuracy"], "EER": found["eer"]}
    tars = {f"TAR at FAR {far}": tar for far, tar in found["tar_at_far"].items()}
    install(
        {
            f"held-out {name}": Figure(float(value), source)
            for name, value in {**shown, **tars}.items()
            if value is not None
        }
    )
    return found, curves


def embedding_of(model: Path) -> Callable[[Any], Any]:
    """Returns what embeds chips uint8 (n, side, side, 3) by a model's own file, as commands do."""
    from facebatch.embed.card_embedder import load_card_embedder

    card = parse((model / CARD).read_bytes(), str(model / CARD))
    content = (model / f"{model.name}.onnx").read_bytes()
    embedder: ViewsEmbedder = load_card_embedder(card, [content], DEFAULT_TTA, "auto", "cpu")
    return lambda pixels: embedder.embed(pixels[:, None])


def _evaluated(
    model: Path, learnt: Learnt, pairs: VerificationPairs, run: RunSettings, report: Report
) -> tuple[dict[str, Any], PairCurves]:
    """Measures the model as `facebatch evaluate pairs` does, on the photos of who is tested."""
    used = np.unique(np.concatenate([pairs.left, pairs.right])).tolist()
    people = sorted({learnt.chips.sources[row].split("/")[1] for row in used})
    only_tested = replace(
        run,
        device="cpu" if run.device == "cpu" else DEFAULT_DEVICE,
        exclude=("/*", *(f"!/{_escaped(name)}" for name in people)),
        follow_links=Sources.read(Storage(str(model / _FACES))).follow_links,
    )
    of = learnt.settings
    flags = {name: getattr(of, name) for name in ("detector", "max_side", "min_face")}
    source = Source(learnt.data, None, {**flags, "embedder": model.name}, None, only_tested)
    try:
        done = evaluate_pairs(model / PAIRS, source, str(model / _EVALUATION), report)
    except UsageError as error:
        raise UsageError(f"the model is in {model} but can't be measured: {error}") from error
    given = done.summary["figures"]
    found = {
        "accuracy": given["accuracy"]["mean"],
        "accuracy_std": given["accuracy"]["std"],
        "eer": given["eer"],
        "auc": given["auc"],
        "tar_at_far": {f"{rate['far']:g}": rate["tar"] for rate in given["tar_at_far"]},
    }
    with np.load(model / _EVALUATION / "pairs.npz") as arrays:
        names = ("thresholds", "fpr", "tpr", "accuracy", "f1")
        return found, PairCurves(*(arrays[name] for name in names))


def _escaped(name: str) -> str:
    return "".join("\\" + letter if letter in r"\*?[]! #" else letter for letter in name)


def _calibrated(model: Path, learnt: Learnt, split: Split, settings: TrainSettings) -> str:
    """Measures the thresholds of the new space on all held-out people's photos, and keeps them.

    Of more than `_MOST_CALIBRATED` photos so many are drawn.

    Returns:
        Where they are, or why there are none.
    """
    names = [*split.stopping, *split.tested]
    rows = draw_photos(learnt.chips, names, _MOST_CALIBRATED, settings.seed)
    embeddings = embedding_of(model)(learnt.chips.pixels(rows, settings.side))
    distances, same = pair_distances(embeddings, [learnt.chips.names[row] for row in rows])
    space = ExtractSettings(embedder=model.name).space()
    people = len({learnt.chips.names[row] for row in rows})
    about = f"{public_url(learnt.data)}: {len(rows):,} photos of {people:,} held-out people"
    try:
        calibration = calibrate_pairs(
            distances, same, embedder=model.name, tta=DEFAULT_TTA, space=space, source=about
        )
        return str(spaces.keep(space_thresholds(calibration)))
    except UsageError as error:
        return f"not measured: {error}"


def _shown(chips: NamedChips, triplet: Triplet) -> Error:
    """Returns a triplet as the page shows it."""
    rows = (triplet.anchor, triplet.positive, triplet.negative)
    roles = ("anchor", f"same, d2 {triplet.near:.3f}", f"other, d2 {triplet.far:.3f}")
    return Error(
        chips.names[triplet.anchor],
        tuple(
            Face(role, chips.sources[row], chips.chips[row])
            for role, row in zip(roles, rows, strict=True)
        ),
    )
