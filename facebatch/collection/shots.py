"""Shots: files of one press of the button, whose people count once.

A camera that saves raw and JPEG writes two files of one picture, a phone a short video beside the
photo (Apple's Live Photo, Google's Motion Photo). They have one name in one folder and one moment,
and Apple's have an identifier in common, whatever they are called. Every file keeps its row and its
faces; those of the best one count. Nothing is stored of it: which files are one shot follows from
the media rows, so that it holds for collections of any age.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import ids
from facebatch.media.kinds import PHOTO_EXTENSIONS, RAW_EXTENSIONS, VIDEO_EXTENSIONS

LONGEST_LIVE_US = 5_000_000
"""Longest video that may be part of a photo. Live Photos last 3 s, Motion Photos no longer."""

PHOTOS_APART_US = 2_000_000
"""How far the capture times of two pictures of one shot may lie apart: one of them may be rounded
to seconds."""

VIDEO_APART_US = 5_000_000
"""The same for a photo and its video, which says its beginning or its end."""

_ZONE_STEP_US = 900_000_000
_FURTHEST_ZONE_US = 56 * _ZONE_STEP_US
"""Zones lie whole quarters of an hour from UTC, 14 hours at most (tz database)."""

_SCHEMA = pa.schema([("content", pa.binary(ids.ID_BYTES)), ("standing", pa.binary(ids.ID_BYTES))])
_EXTENSIONS = "|".join(
    re.escape(one[1:]) for one in sorted(PHOTO_EXTENSIONS | RAW_EXTENSIONS | VIDEO_EXTENSIONS)
)
_ENDING = rf"(\.({_EXTENSIONS}))+(~\d+)?$"
_RAW_ENDING = rf"\.({'|'.join(one[1:] for one in sorted(RAW_EXTENSIONS))})(~\d+)?$"

Rows = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]


def shots(media: pa.Table, contents: pa.Array, live: Mask) -> pa.Table:
    """Groups contents of one shot.

    Files are of one shot that lie in one folder under one name but for its extensions, whose
    capture times agree, and of which a video is short; but not those of which Apple's identifiers
    differ. A photo and what has its identifier in its root are one shot under any name.

    The content that stands for a shot is that of a file that is still there, before others; with
    faces, before those without; of a photo, before videos; the largest; and not a raw file's.

    Args:
        media: Winning media rows (n,).
        contents: The content that each holds, fixed_size_binary(16), (n,), null where it is none.
        live: Which of their items are still there, (n,).

    Returns:
        One row a content of a shot of several: ``content``, and ``standing``, the content whose
        faces count for the shot.
    """
    rows = _of_one_name(media, contents)
    taken = _of_one_moment(media.take(pa.array(rows[:, 0])), rows[:, 1])
    rows, groups = rows[taken >= 0, 0], taken[taken >= 0]
    identifiers = _identifiers(media)
    groups = _parted(groups, identifiers[rows], _is_video(media)[rows])
    same, theirs = _of_one_identifier(media, contents, identifiers)
    rows = np.concatenate([rows, same])
    groups = np.concatenate([groups, theirs + groups.max(initial=-1) + 1])
    if not len(rows):
        return _SCHEMA.empty_table()
    held = contents.take(pa.array(rows)).dictionary_encode()
    codes = held.indices.to_numpy()
    labels = _connected(groups, codes)[codes]
    best = _best_first(media.take(pa.array(rows)), live[rows], labels)
    standing = np.zeros(labels.max() + 1, np.int64)
    standing[labels[best[::-1]]] = codes[best[::-1]]  # the best one is written last
    _, first = np.unique(codes, return_index=True)
    stands = standing[labels[first]]
    several = np.bincount(labels[first])[labels[first]] > 1
    columns = [held.dictionary.take(pa.array(one[several])) for one in (codes[first], stands)]
    return pa.table(columns, schema=_SCHEMA)


def shot_names(media: pa.Table) -> pa.Array:
    """Returns what the files of one shot have in common of root and path, a string a row."""
    stems = pc.replace_substring_regex(pc.utf8_lower(media["path"]), _ENDING, "")
    slash = pa.scalar("/", stems.type)
    names = pc.binary_join_element_wise(media["root"], stems, slash).combine_chunks()
    return names if isinstance(names, pa.Array) else pa.concat_arrays(names.chunks)


def _of_one_name(media: pa.Table, contents: pa.Array) -> Rows:
    """Returns rows and the number of their name, (m, 2), of names that several rows have."""
    known = _fits(media, contents) & media["captured_at"].is_valid().to_numpy()
    rows = np.flatnonzero(known)
    names = shot_names(media.select(["root", "path"]).take(pa.array(rows)))
    codes = names.dictionary_encode().indices.to_numpy()
    several = np.bincount(codes, minlength=1)[codes] > 1
    return np.stack([rows[several], codes[several]], axis=1)


def _fits(media: pa.Table, contents: pa.Array) -> Mask:
    """Tells which rows (n,) may be of a shot: photos and short videos that hold a content."""
    length = pc.subtract(media["end_us"], media["begin_us"])
    is_short = pc.and_(pc.equal(media["segments"], 1), pc.less_equal(length, LONGEST_LIVE_US))
    fits = pc.or_kleene(pc.is_null(media["segments"]), is_short)
    held = pc.is_valid(pa.chunked_array([contents]))
    return np.asarray(pc.and_(held, pc.fill_null(fits, False)).to_numpy(), bool)


def _identifiers(media: pa.Table) -> Rows:
    """Returns a number for each row's identifier in its root, (n,); -1 where it has none."""
    roots = media["root"]
    keys = pc.binary_join_element_wise(roots, media["live_photo_id"], pa.scalar("/", roots.type))
    keys = keys.combine_chunks().dictionary_encode()
    return np.asarray(pc.fill_null(keys.indices, -1).to_numpy(zero_copy_only=False), np.intp)


def _parted(groups: Rows, identifiers: Rows, is_video: Mask) -> Rows:
    """Returns groups (n,) anew, so that no two rows of one have different identifiers.

    A row without one stays with that of the group's first photo that has one.
    """
    mine = np.where(identifiers >= 0, identifiers, np.iinfo(np.intp).max)
    by_group = np.lexsort((mine, is_video, groups))
    first = np.full(groups.max(initial=-1) + 1, -1, np.intp)
    with_one = by_group[identifiers[by_group] >= 0][::-1]
    first[groups[with_one]] = identifiers[with_one]  # the first is written last
    pairs = np.stack([groups, np.where(identifiers >= 0, identifiers, first[groups])], axis=1)
    return np.asarray(np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1), np.intp)


def _of_one_identifier(media: pa.Table, contents: pa.Array, identifiers: Rows) -> tuple[Rows, Rows]:
    """Returns rows (m,) that share an identifier with a photo, and its number, (m,)."""
    rows = np.flatnonzero(_fits(media, contents) & (identifiers >= 0))
    theirs = identifiers[rows]
    photos = np.bincount(theirs[~_is_video(media)[rows]], minlength=identifiers.max(initial=-1) + 1)
    taken = (photos[theirs] > 0) & (np.bincount(theirs, minlength=len(photos))[theirs] > 1)
    return rows[taken], theirs[taken]


def _of_one_moment(media: pa.Table, groups: Rows) -> Rows:
    """Returns the number of each row's shot, (n,), by when it was taken; -1 for a video alone.

    Args:
        media: Rows of which several have one name.
        groups: The number of that name, (n,).
    """
    is_video = _is_video(media)
    clock = media["captured_at"].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
    zone = media["captured_utc_offset"].cast(pa.float64()).to_numpy() * 60_000_000
    still, moving = np.flatnonzero(~is_video), np.flatnonzero(is_video)
    still = still[np.lexsort((clock[still], groups[still]))]
    begins = np.diff(groups[still], prepend=-1) != 0
    begins |= np.diff(clock[still], prepend=0) > PHOTOS_APART_US
    taken = np.full(len(groups), -1, np.intp)
    taken[still] = np.cumsum(begins) - 1
    first = still[begins]
    # The moments of one name lie side by side; there is one, but where a name was used again.
    starts = np.searchsorted(groups[first], groups[moving])
    ends = np.searchsorted(groups[first], groups[moving], side="right")
    for step in range(int((ends - starts).max(initial=0))):
        here = (starts + step < ends) & (taken[moving] < 0)
        video, moment = moving[here], starts[here] + step
        photo = first[moment]
        fits = _video_agrees(clock[video] - clock[photo], zone[video] - zone[photo])
        taken[video[fits]] = moment[fits]
    return taken


def _video_agrees(apart: Rows, zones_apart: npt.NDArray[np.float64]) -> Mask:
    """Tells of which videos the clock agrees with their photo's.

    Args:
        apart: How much later the video's clock says it is, microseconds, (n,).
        zones_apart: How much further east its zone lies, microseconds; nan where one isn't known.
    """
    # QuickTime's time is in UTC where it says no zone; a photo's is the camera's, mostly without.
    of_zones = np.abs((apart + _ZONE_STEP_US // 2) % _ZONE_STEP_US - _ZONE_STEP_US // 2)
    of_zones[np.abs(apart) > _FURTHEST_ZONE_US + VIDEO_APART_US] = _ZONE_STEP_US
    of_utc = np.abs(apart - zones_apart)
    at_least = np.minimum(np.abs(apart), np.where(np.isnan(of_utc), of_zones, of_utc))
    return np.asarray(at_least <= VIDEO_APART_US)


def _connected(groups: Rows, codes: Rows) -> Rows:
    """Returns a number for each content (c,), the same for those of one shot.

    A content may be in several folders, and so in several groups.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    contents = int(codes.max()) + 1
    size = contents + int(groups.max()) + 1
    edges = coo_array((np.ones(len(codes), bool), (codes, contents + groups)), shape=(size, size))
    labels: Rows = connected_components(edges, directed=False)[1][:contents]
    return labels


def _best_first(media: pa.Table, live: Mask, labels: Rows) -> Rows:
    """Returns the order (n,) of rows by shot, and in it from the best to the worst."""
    pixels = media["width"].fill_null(0).to_numpy().astype(np.int64)
    pixels = pixels * media["height"].fill_null(0).to_numpy()
    is_raw = pc.match_substring_regex(pc.utf8_lower(media["path"]), _RAW_ENDING).to_numpy()
    has_none = media["faces"].to_numpy() == 0
    return np.lexsort((is_raw, -pixels, _is_video(media), has_none, ~live, labels))


def _is_video(media: pa.Table) -> Mask:
    return np.asarray(media["segments"].is_valid().to_numpy(), bool)
