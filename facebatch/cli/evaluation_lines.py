"""What the commands of ``facebatch evaluate`` print for people, from their summaries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from facebatch.storage.printable import count

_NAMED = 3
"""Photos of each kind of trouble that a line names."""

Summary = Mapping[str, Any]


def evaluation_lines(summary: Summary) -> Iterator[str]:
    """Yields an evaluation's lines."""
    yield from _LINES[summary["kind"]](summary)
    for path in summary.get("written", ()):
        yield f"wrote {path}"


def _pairs(summary: Summary) -> Iterator[str]:
    figures = summary["figures"]
    folds = len(figures["folds"])
    yield (
        f"{count(figures['same'] + figures['different'], 'pair')}, {figures['same']:,} of one "
        f"person and {figures['different']:,} of two, in {count(folds, 'fold')}"
    )
    yield from _photos(summary)
    missing = figures["missing_same"] + figures["missing_different"]
    yield _mean("accuracy", figures["accuracy"], folds)
    if missing:
        yield f"  {count(missing, 'pair')} without two faces counted as errors; left out:"
        if figures["accuracy_without_missing"]:
            yield _mean("accuracy, both faces", figures["accuracy_without_missing"], folds)
    if figures["threshold_chosen_on_itself"]:
        yield "  the one fold chose its own threshold, which makes its accuracy a little too good"
    yield _rate("AUC", figures["auc"])
    yield _rate("EER", figures["eer"], figures["eer_threshold"])
    for entry in figures["tar_at_far"]:
        yield _rate(f"TAR at FAR {entry['far']:g}", entry["tar"], entry["threshold"])
    if val := figures["val_at_far"]:
        yield _mean(f"VAL at FAR {val['far']:g}", {"mean": val["val"], "std": val["std"]}, folds)
    if best := figures["best_f1"]:
        yield _rate("best F1", best["f1"], best["threshold"])
        yield _rate("accuracy there", best["accuracy"])


def _identification(summary: Summary) -> Iterator[str]:
    figures = summary["figures"]
    yield (
        f"gallery of {count(figures['gallery'], 'person', 'people')}, one photo each; "
        f"{count(figures['mated'], 'probe')} of them, {figures['non_mated']:,} of strangers; "
        f"method {summary['inputs']['method']}"
    )
    yield from _photos(summary)
    if summary["outside_folders"]:
        yield f"  left out: {count(summary['outside_folders'], 'photo')} in no person's folder"
    if figures["missing_mated"] or figures["missing_non_mated"]:
        yield (
            f"  probes without a face: {figures['missing_mated']:,} of people in the gallery, "
            f"misses, and {figures['missing_non_mated']:,} of strangers, which don't count"
        )
    ranks = len(figures["cmc"])
    for rank in sorted({1, min(5, ranks), ranks} if ranks else ()):
        yield _rate(f"rank {rank}" + (" or better" if rank > 1 else ""), figures["cmc"][rank - 1])
    score = "score" if summary["inputs"]["method"] in _NO_D2 else "d2"
    for entry in figures["at_fpir"]:
        yield _rate(f"TPIR at FPIR {entry['fpir']:g}", entry["tpir"], entry["threshold"], score)
        if entry["tpir"] is not None:
            yield _rate("  and nearest", entry["rank_1"])


def _clusters(summary: Summary) -> Iterator[str]:
    figures, others = summary["figures"], summary["faces_not_scored"]
    yield (
        f"{count(figures['faces'], 'face')} of {count(figures['people'], 'person', 'people')} in "
        f"{count(figures['clusters'], 'cluster')}, {figures['unclustered']:,} of them on their own "
        f"({figures['unclustered_share']:.1%})"
    )
    yield from _photos(summary)
    if any(others.values()):
        yield (
            f"  not scored: {count(others['other'], 'other face')}, {others['contradictory']:,} "
            f"with two labels, {others['not_clustered']:,} not clustered yet"
        )
    yield _row("", ("precision", "recall", "F"))
    yield _row("pairwise", figures["pairwise"].values())
    yield _row("BCubed", figures["bcubed"].values())
    yield _row("", ("homogeneity", "completeness", "V"))
    yield _row("V-measure", figures["v_measure"].values())
    yield _row("", ("purity", "inverse", "F"))
    yield _row("purity", figures["purity"].values())
    yield _row("faces in a cluster", ("clusters", "faces", "purity"))
    for size in figures["by_size"]:
        name = f"  {_size_range(size['smallest'], size['largest'])}"
        yield _row(name, (size["clusters"], size["faces"], size["purity"]))


def _detection(summary: Summary) -> Iterator[str]:
    figures = summary["figures"]
    yield (
        f"{count(figures['faces'], 'face')} in {count(figures['images'], 'photo')}, and "
        f"{figures['ignored_faces']:,} ignored; overlap of at least {figures['iou']:g}"
    )
    yield from _photos(summary)
    if figures["images_without_truth"]:
        photos = count(figures["images_without_truth"], "photo")
        yield f"  not scored: {photos} that the truth doesn't name"
    yield (
        f"found {figures['found']:,}, missed {figures['faces'] - figures['found']:,}; "
        f"{count(figures['false_detections'], 'false detection')}"
    )
    for name in ("recall", "precision", "average_precision"):
        yield _rate(name.replace("_", " "), figures[name])
    for row in figures["by_size"]:
        if row["faces"]:
            end = "px or more" if row["largest"] is None else f"to {row['largest']:g} px"
            yield _rate(f"  {row['smallest']:g} {end}", row["recall"]) + f"  of {row['faces']:,}"


def _photos(summary: Summary) -> Iterator[str]:
    """Yields what became of the photos that the truth names."""
    photos = summary["photos"]
    failed = [name for names in photos["failed"].values() for name in names]
    yield f"{count(photos['named'], 'photo')}, {photos['with_face']:,} with a face"
    for what, names in (
        ("not there", photos["not_there"]),
        ("failed", failed),
        ("without a face", photos["no_face"]),
    ):
        if names:
            more = ", ..." if len(names) > _NAMED else ""
            yield f"  {len(names):,} {what}: {', '.join(names[:_NAMED])}{more}"
    if photos["copies"]:
        yield f"  {photos['copies']:,} with the very content of another"


def _mean(name: str, score: Mapping[str, float], folds: int) -> str:
    spread = f" +- {score['std']:.4f} over {folds} folds" if folds > 1 else ""
    return f"{name:<22}{score['mean']:.4f}{spread}"


def _rate(name: str, rate: float | None, threshold: float | None = None, unit: str = "d2") -> str:
    if rate is None:
        return f"{name:<22}too few to tell"
    return f"{name:<22}{rate:.4f}" + ("" if threshold is None else f"  {unit} {threshold:.4f}")


def _row(name: str, cells: Iterable[object]) -> str:
    return f"{name:<22}" + "".join(f"{_cell(cell):<14}" for cell in cells).rstrip()


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _size_range(smallest: int, largest: int | None) -> str:
    if largest is None:
        return f"{smallest} or more"
    return f"{smallest}" if smallest == largest else f"{smallest} to {largest}"


_NO_D2 = ("vote", "svm", "knn")
"""Methods whose scores aren't squared distances."""

_LINES: Mapping[str, Callable[[Summary], Iterator[str]]] = MappingProxyType(
    {
        "pairs": _pairs,
        "identification": _identification,
        "clusters": _clusters,
        "detection": _detection,
    }
)
