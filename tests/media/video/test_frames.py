from __future__ import annotations

import io
import math
import tempfile
from datetime import datetime
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.data import real_data
from support.examples import examples
from support.pictures import as_stored, encode, gradient
from support.videos import (
    encode_video,
    number_of,
    numbered,
    numbered_video,
    sound_only,
    with_orientation,
)

from facebatch.errors import MediaError
from facebatch.media.limits import Limits
from facebatch.media.video.frames import (
    SEGMENT_SECONDS,
    WHOLE,
    Sampling,
    Segment,
    VideoFacts,
    frames,
    probe,
    segments,
)

END = WHOLE.end_us
EVERY_40_MS = range(0, 4000, 40)
CFR = {"time_base": Fraction(1, 25)}

FORMATS = {
    "mp4": {"options": {"g": "12", "bf": "3", "sc_threshold": "0"}},
    "mp4, open groups": {"options": {"g": "12", "bf": "3", "x264-params": "open-gop=1"}},
    "mp4, hevc": {
        "codec": "libx265",
        "options": {"preset": "ultrafast", "x265-params": "keyint=12:open-gop=1:log-level=none"},
    },
    "matroska": {"container": "matroska", "options": {"g": "10", "bf": "2"}},
    "webm": {
        "container": "webm",
        "codec": "libvpx-vp9",
        "options": {"g": "12", "deadline": "realtime", "cpu-used": "8"},
    },
    "mpegts": {"container": "mpegts", "options": {"g": "12", "bf": "3"}},
    "mpegts, mpeg2": {"container": "mpegts", "codec": "mpeg2video", **CFR},
    "vob": {"container": "vob", "codec": "mpeg2video", "options": {"bf": "2"}, **CFR},
    "mpeg2video": {"container": "mpeg2video", "codec": "mpeg2video", **CFR},
    "avi": {"container": "avi", "codec": "mpeg4", "options": {"bf": "2"}, **CFR},
    "avi, mjpeg": {
        "container": "avi",
        "codec": "mjpeg",
        "pixel_format": "yuvj420p",
        **CFR,
    },
    "flv": {"container": "flv", "options": {"g": "12", "bf": "2"}},
    "asf": {"container": "asf", "codec": "wmv2", "options": {"g": "12"}},
    "mxf": {"container": "mxf", "codec": "mpeg2video", **CFR},
}

CALLED = {"mp4": "mov", "webm": "matroska", "vob": "mpeg", "mpeg2video": "mpegvideo"}
ALL = Sampling("all")


def taken(
    data: bytes, segment: Segment = WHOLE, sampling: Sampling = ALL, **limits: int
) -> list[tuple[int, int, bytes]]:
    """Time, number and pixels of every frame of a numbered video."""
    return [
        (frame.timestamp_us, number_of(frame.pixels), frame.pixels.tobytes())
        for frame in frames(io.BytesIO(data), segment, sampling, Limits(**limits))
    ]


def told(data: bytes, sampling: Sampling = ALL) -> list[tuple[int, int]]:
    return [(time, number) for time, number, _ in taken(data, WHOLE, sampling)]


def first_at_or_after(times_us: list[int], fps: float) -> list[int]:
    """What `fps` asks for, by its definition: the frame of each moment."""
    moments = range(math.floor(times_us[-1] * fps / 1e6) + 1)
    found = {next(n for n, t in enumerate(times_us) if t * fps >= k * 1e6) for k in moments}
    return sorted(found)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_every_frame_once_at_its_time(name: str) -> None:
    uneven = [0, 20, 60, 90, 190, 523, 560, 600, 601, 640]
    how = FORMATS[name]
    times = list(range(30)) if "time_base" in how else [*uneven, *range(680, 2400, 40)]
    data = numbered_video(times, **how)
    seconds = how.get("time_base", Fraction(1, 1000))
    expected = [(int(time * seconds * 1_000_000), number) for number, time in enumerate(times)]
    assert told(data) == expected
    kind = name.split(",")[0]
    assert probe(io.BytesIO(data)).format == CALLED.get(kind, kind)


@pytest.mark.parametrize("name", FORMATS)
@examples(2, 5)
@given(data=st.data())
def test_segments_together_give_what_one_pass_gives(name: str, data: st.DataObject) -> None:
    how = FORMATS[name]
    gaps = st.lists(st.sampled_from([20, 40, 100, 333]), min_size=20, max_size=60)
    times = (
        list(range(data.draw(st.integers(20, 60))))
        if "time_base" in how
        else list(accumulate([0, *data.draw(gaps)]))
    )
    sampling = data.draw(
        st.sampled_from(
            [Sampling("all"), Sampling("keyframes"), Sampling("fps", 3), Sampling("fps", 7.7)]
        )
    )
    video = numbered_video(times, **how)
    facts = probe(io.BytesIO(video))
    cuts = sorted(data.draw(st.sets(st.integers(1, facts.duration_us), max_size=3)))
    if not facts.timed:
        cuts = []
    edges = [0, *cuts, END]
    parts = [Segment(number, *edge) for number, edge in enumerate(pairwise(edges))]
    assert [one for part in parts for one in taken(video, part, sampling)] == taken(
        video, WHOLE, sampling
    )


@pytest.mark.parametrize("name", ["mp4, hevc", "mp4, open groups", "mpegts"])
@pytest.mark.parametrize("length", [1, 3])
def test_any_few_frames_are_the_same_alone(name: str, length: int) -> None:
    video = numbered_video(range(0, 1200, 40), **FORMATS[name])
    whole = taken(video)
    for number in range(1, 30):
        segment = Segment(number, number * 40_000, (number + length) * 40_000)
        assert taken(video, segment) == whole[number : number + length]


@examples(5, 15)
@given(
    gaps=st.lists(st.integers(1, 400), min_size=1, max_size=40),
    fps=st.sampled_from([0.5, 1.0, 2.5, 4.0, 10.0, 29.97]),
    reordered=st.integers(0, 3),
)
def test_fps_takes_the_first_frame_at_or_after_every_moment(
    gaps: list[int], fps: float, reordered: int
) -> None:
    times = list(accumulate([0, *gaps]))
    video = numbered_video(times, options={"bf": str(reordered), "g": "10"})
    numbers = [number for _, number in told(video, Sampling("fps", fps))]
    assert numbers == first_at_or_after([time * 1000 for time in times], fps)


def test_keyframes_are_taken_alone() -> None:
    video = numbered_video(EVERY_40_MS, options={"g": "10", "keyint_min": "10"})
    assert [number for _, number in told(video, Sampling("keyframes"))] == [*range(0, 100, 10)]


def test_a_video_begins_at_zero_whenever_its_clock_does() -> None:
    video = numbered_video([time + 5_000 for time in EVERY_40_MS], container="mpegts")
    assert told(video)[:2] == [(0, 0), (40_000, 1)]
    assert told(video, Sampling("fps", 1)) == [(n * 1_000_000, n * 25) for n in range(4)]


def test_one_frame_is_a_video() -> None:
    video = numbered_video([0])
    assert told(video, Sampling()) == [(0, 0)]
    assert segments(probe(io.BytesIO(video))) == (Segment(0, 0, END),)


def noise(count: int) -> bytes:
    """Returns a video that doesn't compress: about 6 kB a frame, 25 frames a second."""
    pictures = (
        np.random.default_rng(n).integers(0, 256, (96, 128, 3), np.uint8) for n in range(count)
    )
    return encode_video(pictures, range(0, 40 * count, 40), options={"g": "25", "bf": "0"})


def test_a_later_segment_is_not_decoded_from_the_beginning() -> None:
    read: list[int] = []

    class Watched(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            read.append(self.tell())
            return super().read(size)

    data = noise(300)
    assert len(data) > 1_500_000
    late = list(frames(Watched(data), Segment(1, 11_000_000, END), Sampling()))
    assert [frame.timestamp_us for frame in late] == [11_000_000]
    assert any(place > 0.85 * len(data) for place in read)
    assert not any(0.3 * len(data) < place < 0.8 * len(data) for place in read)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_frames_come_upright(orientation: int) -> None:
    upright = np.asarray(gradient(96, 64)).copy()
    upright[:, :, 2] = 60
    stored = as_stored(upright, orientation)
    video = with_orientation(encode_video([stored] * 3, [0, 40, 80]), orientation)
    facts = probe(io.BytesIO(video))
    assert (facts.orientation, facts.width, facts.height) == (orientation, 96, 64)
    frame = next(frames(io.BytesIO(video), WHOLE, Sampling()))
    assert frame.pixels.size == (96, 64)
    assert np.abs(np.asarray(frame.pixels).astype(int) - upright).mean() < 12


def test_pixels_that_are_not_square_are_made_so() -> None:
    video = encode_video([numbered(0)], [0], sample_aspect_ratio=Fraction(4, 3))
    assert probe(io.BytesIO(video)).width == 85
    assert next(frames(io.BytesIO(video), WHOLE, Sampling())).pixels.size == (85, 48)


PATCHES = np.array(
    [[235, 30, 40], [30, 200, 60], [40, 60, 220], [224, 172, 140], [128, 128, 128], [16, 16, 16]],
    np.uint8,
)


@pytest.mark.parametrize(
    ("height", "stored"),
    [
        (64, {"colorspace": 5, "color_range": 1}),
        (64, {"colorspace": 1, "color_range": 1}),
        (64, {"colorspace": 1, "color_range": 2}),
        (64, {"colorspace": 9, "color_range": 1, "pixel_format": "yuv420p10le"}),
        (64, {"pixel_format": "rgb24", "codec": "libx264rgb"}),
    ],
    ids=["bt601", "bt709", "bt709 full range", "bt2020 10 bit", "rgb"],
)
def test_colours_are_those_that_were_filmed(height: int, stored: dict[str, object]) -> None:
    picture = np.repeat(np.repeat(PATCHES[None], height, 0), 32, 1)
    video = encode_video([picture], [0], options={"qp": "4"}, **stored)
    pixels = np.asarray(next(frames(io.BytesIO(video), WHOLE, Sampling())).pixels).astype(int)
    seen = pixels[8:-8].reshape(-1, len(PATCHES), 32, 3)[:, :, 8:-8].mean(axis=(0, 2))
    assert np.abs(seen - PATCHES).max() < 4


def test_large_videos_that_do_not_say_are_bt709_and_small_ones_bt601() -> None:
    for height, colours in ((480, 5), (720, 1)):
        picture = np.repeat(np.repeat(PATCHES[None], height, 0), 214, 1)
        video = encode_video([picture], [0], encoded_as=colours, options={"preset": "ultrafast"})
        pixels = np.asarray(next(frames(io.BytesIO(video), WHOLE, Sampling())).pixels)
        seen = pixels[height // 2].reshape(len(PATCHES), 214, 3)[:, 100].astype(int)
        assert np.abs(seen - PATCHES).max() < 8


def test_time_and_place_come_from_the_tags() -> None:
    tags = {"creation_time": "2019-05-04T10:34:56.000000Z", "location": "+48.8577+002.2950+35.5/"}
    exif = probe(io.BytesIO(encode_video([numbered(0)], [0], metadata=tags))).exif
    assert (exif.captured_at, exif.captured_utc_offset) == (datetime(2019, 5, 4, 10, 34, 56), 0)
    assert (exif.latitude, exif.longitude, exif.altitude) == (48.8577, 2.295, 35.5)


def test_a_phones_own_tags_say_the_local_time() -> None:
    tags = {
        "creation_time": "2019-05-04T10:34:56.000000Z",
        "com.apple.quicktime.creationdate": "2019-05-04T12:34:56+0200",
        "com.apple.quicktime.location.ISO6709": "-3350.5-07030/",
    }
    exif = probe(io.BytesIO(encode_video([numbered(0)], [0], metadata=tags))).exif
    assert (exif.captured_at, exif.captured_utc_offset) == (datetime(2019, 5, 4, 12, 34, 56), 120)
    assert exif.latitude == pytest.approx(-33 - 50.5 / 60)
    assert (exif.longitude, exif.altitude) == (-70.5, None)


@pytest.mark.parametrize("place", ["", "nowhere", "+91.0+000.0/", "+48.8"])
def test_tags_that_lie_are_absent(place: str) -> None:
    tags = {"creation_time": "1904-01-01T00:00:00.000000Z", "location": place}
    exif = probe(io.BytesIO(encode_video([numbered(0)], [0], metadata=tags))).exif
    assert (exif.captured_at, exif.latitude, exif.longitude) == (None, None, None)


def facts(seconds: float, timed: bool = True) -> VideoFacts:
    exif = probe(io.BytesIO(numbered_video([0]))).exif
    return VideoFacts("mov", 64, 48, exif, int(seconds * 1e6), 25.0, timed)


def test_long_videos_are_cut_every_two_minutes() -> None:
    assert SEGMENT_SECONDS == 120, "a segment's number is part of its faces' ids"
    begins = [0, 120_000_000, 240_000_000]
    assert segments(facts(241)) == tuple(
        Segment(number, begin, end)
        for number, (begin, end) in enumerate(zip(begins, [*begins[1:], END], strict=True))
    )
    assert len(segments(facts(0))) == len(segments(facts(120))) == 1


def test_a_video_without_reliable_times_is_one_segment() -> None:
    assert segments(facts(1000, timed=False)) == (WHOLE,)
    vob = numbered_video(range(30), container="vob", codec="mpeg2video", **CFR)
    assert not probe(io.BytesIO(vob)).timed


def test_a_clock_that_starts_again_goes_on() -> None:
    vob = numbered_video(range(30), container="vob", codec="mpeg2video", **CFR)
    numbers = [number for _, number in told(vob + vob)]
    times = [time for time, _ in told(vob + vob)]
    assert numbers == [*range(30), *range(30)]
    assert [late - early for early, late in pairwise(times)] == [40_000] * 59


MP4 = numbered_video(EVERY_40_MS, options={"g": "10"})


def with_index_first(mp4: bytes) -> bytes:
    """Returns an MP4 file with its index at the front, as it is made for streaming."""
    with tempfile.TemporaryDirectory() as folder, av.open(io.BytesIO(mp4)) as given:
        path = Path(folder) / "video.mp4"
        with av.open(str(path), "w", options={"movflags": "faststart"}) as out:
            stream = out.add_stream_from_template(given.streams.video[0])
            for packet in given.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    out.mux(packet)
        return path.read_bytes()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"no video at all, only words", "not_an_image"),
        (bytes(5_000), "not_an_image"),
        (encode(gradient()), "not_an_image"),
        (encode(gradient(), "GIF"), "not_an_image"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n", "not_an_image"),
        (b"ffconcat version 1.0\nfile /etc/hostname\n", "not_an_image"),
        (sound_only(), "no_frames"),
        (MP4[: len(MP4) // 2], "truncated"),
        (MP4[:10], "truncated"),
        (MP4[:40] + bytes(len(MP4) - 40), "truncated"),
        (MP4.replace(b"mdia", b"aidm"), "no_frames"),
        (MP4.replace(b"avc1", b"nope").replace(b"avcC", b"nopC"), "no_frames"),
        (b"\x1aE\xdf\xa3" + b"\xff" * 900, "corrupt"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_no_video_has_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(MediaError) as raised:
        probe(io.BytesIO(data))
    assert raised.value.reason == reason


def test_a_song_with_a_cover_has_no_frames(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as out:
        cover = out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic.value
        out.mux([*cover.encode(av.VideoFrame(64, 48, "yuvj420p")), *cover.encode()])
    with pytest.raises(MediaError) as raised:
        probe(io.BytesIO(buffer.getvalue()))
    assert raised.value.reason == "no_frames"


def test_sound_beside_the_pictures_changes_nothing() -> None:
    assert told(numbered_video(EVERY_40_MS, sound=True)) == told(numbered_video(EVERY_40_MS))


@pytest.mark.parametrize("name", ["mp4", "matroska", "mpegts", "avi"])
def test_of_a_video_that_was_cut_off_the_beginning_counts(name: str) -> None:
    whole = numbered_video(range(100) if name == "avi" else EVERY_40_MS, **FORMATS[name])
    whole = with_index_first(whole) if name == "mp4" else whole
    part = told(whole[: len(whole) * 6 // 10])
    assert 5 < len(part) < 100
    assert set(part) < set(told(whole))


def test_broken_packets_are_passed_over() -> None:
    whole = bytearray(numbered_video(EVERY_40_MS, options={"g": "10", "bf": "0"}))
    with av.open(io.BytesIO(bytes(whole))) as opened:
        places = [(p.pos, p.size) for p in opened.demux(video=0) if p.size]
    for place, size in places[30:40]:
        whole[place : place + size] = bytes(size)
    kept = {number for _, number in told(bytes(whole))}
    assert kept >= {*range(30), *range(40, 100)}
    for place, size in places:
        whole[place : place + size] = bytes(size)
    with pytest.raises(MediaError) as raised:
        told(bytes(whole))
    assert raised.value.reason in {"corrupt", "no_frames"}


def test_limits_hold() -> None:
    for limits in ({"max_pixels": 3_000}, {"max_frames": 50}):
        with pytest.raises(MediaError) as raised:
            taken(MP4, **limits)
        assert raised.value.reason == "too_large"
    assert len(taken(MP4, WHOLE, Sampling(), max_frames=50)) == 4
    assert len(taken(MP4, WHOLE, Sampling("keyframes"), max_frames=50)) == 10


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        probe(str(tmp_path / "none.mp4"))

    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 300_000:
                raise OSError(5, "the disk is broken")
            return super().read(size)

    with pytest.raises(OSError, match="the disk is broken"):
        list(frames(Failing(noise(100)), WHOLE, Sampling()))


@examples(12, 60)
@given(data=st.data())
def test_damaged_videos_end_with_a_reason_or_give_frames(data: st.DataObject) -> None:
    video = bytearray(data.draw(st.sampled_from([MP4, with_index_first(MP4)])))
    for _ in range(data.draw(st.integers(1, 20))):
        video[data.draw(st.integers(0, len(video) - 1))] = data.draw(st.integers(0, 255))
    reasons = {"not_an_image", "no_frames", "truncated", "corrupt", "too_large"}
    assert outcome(bytes(video)) in {*reasons, "frames"}


def outcome(video: bytes) -> str:
    try:
        probe(io.BytesIO(video))
        times = [one.timestamp_us for one in frames(io.BytesIO(video), WHOLE, Sampling("fps", 5))]
    except MediaError as error:
        return error.reason
    return "frames" if times == sorted(set(times)) else "disorder"


def test_real_videos_give_the_frames_they_have() -> None:
    folder = real_data("videos")
    found = {}
    for path in sorted(folder.glob("*.mp4")):
        known = probe(str(path))
        found[path.stem] = (
            (known.width, known.height),
            sum(1 for part in segments(known) for _ in frames(str(path), part, Sampling("fps", 5))),
        )
    assert found == {
        "facenet_pytorch_video": ((1920, 1080), 21),
        "fr_short_hamilton_clip": ((640, 360), 46),
        "intel_one-by-one-person-detection": ((768, 432), 697),
    }
