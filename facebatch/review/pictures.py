"""Pictures on pages: a photo with its boxes, times as bars, places on a map; all of it SVG."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from facebatch.review.pages import Visit

_WIDTH, _HEIGHT = 720, 120
_FEWEST_BARS = 12


def framed(visit: Visit, row: int) -> dict[str, Any] | None:
    """Returns the photo that a face is in, with the face's box; None where it is gone."""
    return photo(visit, int(visit.state.store.media_rows[row]), [row])


def photo(visit: Visit, media_row: int, rows: Sequence[int]) -> dict[str, Any] | None:
    """Returns a photo, or a video's frame, with the boxes of some of its faces.

    Args:
        visit: The request.
        media_row: Row of the photo in the store; -1 for none.
        rows: Rows of the faces, all of one frame.
    """
    store = visit.state.store
    if media_row < 0:
        return None
    item = store.media.slice(media_row, 1).to_pylist()[0]
    if not item["width"] or not item["height"]:
        return None
    boxes = []
    for row in rows:
        x0, y0, x1, y1 = (round(float(side), 1) for side in store.boxes[row])
        owner = visit.state.people.known.get(visit.state.owner(row))
        boxes.append(
            {
                "id": store.id_of(row).hex(),
                "x": x0,
                "y": y0,
                "width": round(x1 - x0, 1),
                "height": round(y1 - y0, 1),
                "called": visit.called(owner) if owner else None,
                "named": bool(owner and owner.name),
            }
        )
    moment = int(store.timestamps[rows[0]]) if len(rows) else 0
    return {
        "media": item["media_id"].hex(),
        "moment": moment,
        "width": item["width"],
        "height": item["height"],
        "stroke": round(max(item["width"], item["height"]) / 250, 1),
        "letters": round(max(item["width"], item["height"]) / 38, 1),
        "boxes": boxes,
        "title": f"{item['root']}/{item['path']}",
        "captured_at": item["captured_at"],
    }


def timeline(times: Iterable[datetime | None]) -> dict[str, Any] | None:
    """Returns photos by the time they were taken, as bars; None where no time is known.

    A bar is a year, or a month where there are few years.
    """
    known = sorted(at for at in times if at is not None)
    if not known:
        return None
    by_year = known[-1].year - known[0].year + 1 >= _FEWEST_BARS

    def step(at: datetime) -> int:
        return at.year if by_year else at.year * 12 + at.month - 1

    counts = Counter(map(step, known))
    first, last = step(known[0]), step(known[-1])
    slots = max(last - first + 1, _FEWEST_BARS)
    most = max(counts.values())
    width = _WIDTH / slots
    bars = [
        {
            "x": round((slot - first) * width + 1, 1),
            "width": round(max(width - 2, 1), 1),
            "height": round(max(count / most * _HEIGHT, 2), 1),
            "y": round(_HEIGHT - max(count / most * _HEIGHT, 2), 1),
            "title": f"{slot if by_year else f'{slot // 12}-{slot % 12 + 1:02}'}: {count}",
        }
        for slot, count in sorted(counts.items())
    ]
    return {
        "width": _WIDTH,
        "height": _HEIGHT,
        "bars": bars,
        "known": len(known),
        "first": known[0].date().isoformat(),
        "last": known[-1].date().isoformat(),
    }


def world(
    latitudes: Iterable[float | None], longitudes: Iterable[float | None], step: float = 0.5
) -> dict[str, Any] | None:
    """Returns places on a map of the world, those of one square together; None for no place.

    Args:
        latitudes: Degrees north.
        longitudes: Degrees east.
        step: Side of a square in degrees.
    """
    squares: Counter[tuple[float, float]] = Counter()
    for latitude, longitude in zip(latitudes, longitudes, strict=True):
        if latitude is None or longitude is None:
            continue
        if abs(latitude) <= 90 and abs(longitude) <= 180:
            squares[round(latitude / step) * step, round(longitude / step) * step] += 1
    if not squares:
        return None
    points = [
        {
            "x": round(longitude + 180, 2),
            "y": round(90 - latitude, 2),
            "r": round(min(1.2 + 0.5 * len(str(count)), 4), 1),
            "latitude": latitude,
            "longitude": longitude,
            "count": count,
        }
        for (latitude, longitude), count in squares.most_common(500)
    ]
    return {"points": points, "known": sum(squares.values())}
