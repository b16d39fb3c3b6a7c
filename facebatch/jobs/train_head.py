"""Train a head: a matrix behind a collection's embedder, kept only where it helps other people."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from facebatch.collection import Collection
from facebatch.config import ExtractSettings
from facebatch.errors import UsageError
from facebatch.identify.fit_calibration import calibrate_pairs
from facebatch.identify.space_measures import space_thresholds
from facebatch.jobs.known_people import named_faces
from facebatch.jobs.train import SUMMARY, check_training, make_folder
from facebatch.models import registry
from facebatch.models import space_thresholds as spaces
from facebatch.models.card import Card, Figure
from facebatch.models.folder import CARD
from facebatch.models.weights import copies
from facebatch.monitor.stages import Report, Step
from facebatch.storage.local_files import whole_file
from facebatch.tables import matrix
from facebatch.train.heads import Floats, Verdict, cross_validate, fit_head


def train_head(url: str, model: Path, report: Report, seed: int = 0) -> dict[str, Any]:
    """Fits heads to a collection's named people, and exports the best where it helps others.

    Args:
        url: The collection.
        model: Folder of the model; nothing is written where no head helps.
        report: Told what is being done.
        seed: Seed of all that is drawn.

    Returns:
        What was found, as plain data; ``accepted`` is the head's kind, or None.

    Raises:
        InputError: Too few people have names.
        UsageError: The model can't be called so, or the embedder can't have a head.
    """
    check_training(model)
    from facebatch.train.compose import check_composable

    collection = Collection.open(url)
    card = registry.card(collection.settings.embedder)
    check_composable(card)
    rows = named_faces(collection)
    embeddings, names = matrix(rows["embedding"]), rows["name"].to_pylist()
    report(Step("heads"))
    verdicts = cross_validate(embeddings, names, seed=seed)
    best = max(verdicts, key=lambda one: one.gain)
    summary: dict[str, Any] = {
        "name": model.name,
        "collection": collection.storage.public,
        "embedder": card.name,
        "people": len(set(names)),
        "faces": len(names),
        "far": best.far,
        "heads": {one.kind: _figures(one) for one in verdicts},
        "accepted": None,
    }
    if not best.is_better:
        return summary
    report(Step("export"))
    person = np.unique(np.asarray(names, dtype=object), return_inverse=True)[1]
    head = fit_head(best.kind, embeddings, person.astype(np.int64), seed)
    tta = collection.settings.tta
    about = f"{len(names):,} faces of {summary['people']:,} named people, cross-validated"
    _export(model, card, head, best, about)
    summary |= {
        "accepted": best.kind,
        "model": str(model),
        "thresholds": _calibrated(model.name, tta, best.folds, about),
    }
    with whole_file(model / SUMMARY) as out:
        out.write(json.dumps(summary, indent=2).encode())
    return summary


def _figures(verdict: Verdict) -> dict[str, float]:
    return {
        "tar_before": verdict.before,
        "tar_after": verdict.after,
        "gain": verdict.gain,
        "low": verdict.low,
        "high": verdict.high,
    }


def _export(model: Path, card: Card, head: Floats, best: Verdict, about: str) -> None:
    """Writes embedder and head as one model with its card, and brings it to the models folder."""
    from facebatch.train.compose import composed
    from facebatch.train.export import write_card_file

    content, reads = composed(card, [registry.read(file) for file in card.files], head)
    make_folder(model)
    with whole_file(model / f"{model.name}.onnx") as out:
        out.write(content)
    commercial = {True: "yes", False: "no", None: "unclear"}[card.commercial]
    aligned = {"points": [*map(list, card.points)]} if card.points else {"template": card.template}
    top = {
        "name": model.name,
        "kind": "embedder",
        "summary": f"{card.name} with a head ({best.kind}) of {about}.",
        "format": "onnx",
        "precision": card.precision,
        "dimension": head.shape[1],
        **aligned,
        "licence": f"that of {card.name}: {card.licence}; of the head nobody has stated one",
        "commercial": commercial,
        "source": f"facebatch train head, behind {card.name}: {card.source}",
    }
    source = f"measured when the head was fitted, on {about}; gain {best.gain:.4f}, interval "
    source += f"{best.low:.4f} to {best.high:.4f}"
    figures = {f"TAR at FAR {best.far:g} of people not fitted on": Figure(best.after, source)}
    digest = hashlib.sha256(content).hexdigest()
    write_card_file(model, top, asdict(reads), figures, digest)
    copies.add([model / f"{model.name}.onnx"], model / CARD)


def _calibrated(name: str, tta: Any, folds: Sequence[Any], about: str) -> str:
    """Measures the thresholds of the new space on pairs whose people no head was fitted on."""
    distances = np.concatenate([fold.after for fold in folds])
    same = np.concatenate([fold.same for fold in folds])
    space = ExtractSettings(embedder=name, tta=tta).space()
    try:
        calibration = calibrate_pairs(
            distances, same, embedder=name, tta=tta, space=space, source=about
        )
        return str(spaces.keep(space_thresholds(calibration)))
    except UsageError as error:
        return f"not measured: {error}"
