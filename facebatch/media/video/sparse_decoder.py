"""Decoding a few frames of a video: which packets they need, and nothing else.

Times are known before anything is decoded, so that most frames need no decoding: groups of pictures
without a wanted frame, what follows the last wanted one of a group, and frames in between that no
other frame refers to. What is wanted is decoded all the same as in a pass over everything.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from facebatch.media.video.containers import HEAD_PACKETS as LOOKAHEAD


@dataclass(frozen=True)
class Choice:
    """Which frames are wanted, by their times in ticks from the video's first frame.

    Args:
        begin: First tick of the part of the video.
        end: Tick before which it ends.
        keyframes: Whether only keyframes are wanted.
        grid: Moments a tick, of each of which the first frame at or after it is wanted; None wants
            every frame.
    """

    begin: int
    end: int
    keyframes: bool
    grid: Fraction | None

    def wants(self, ticks: int, previous: int | None, is_keyframe: bool) -> bool:
        """Says whether a frame is wanted.

        Args:
            ticks: Its time.
            previous: The time of the frame that is shown before it; None for the first.
            is_keyframe: Whether it is a keyframe.
        """
        if not self.begin <= ticks < self.end or (self.keyframes and not is_keyframe):
            return False
        if self.grid is None or previous is None:
            return True
        above, below = self.grid.numerator, self.grid.denominator
        return ticks * above // below > previous * above // below


def chosen_packets(
    packets: Iterable[Packet[VideoStream]], start: int, choice: Choice
) -> Iterator[tuple[Packet[VideoStream], bool]]:
    """Yields packets in the order of decoding, and whether the frame of each is wanted.

    Begins at the first keyframe and ends with the part of the video that is asked for.

    Args:
        packets: Packets in the order of decoding.
        start: Presentation time of the video's first frame.
        choice: What is wanted.
    """
    times: list[int] = []
    waiting: deque[Packet[VideoStream]] = deque()
    beyond = 0

    def wanted(packet: Packet[VideoStream]) -> bool:
        if packet.pts is None or packet.is_discard or packet.is_corrupt:
            return False
        ticks = packet.pts - start
        place = bisect_left(times, ticks)
        return choice.wants(ticks, times[place - 1] if place else None, packet.is_keyframe)

    for packet in packets:
        if not times and not waiting and not packet.is_keyframe:
            continue
        waiting.append(packet)
        if packet.pts is not None and not packet.is_discard:
            insort(times, packet.pts - start)
            beyond = beyond + 1 if packet.pts - start >= choice.end else 0
        # Packets come in the order of decoding, a little before or after that of showing.
        if beyond > LOOKAHEAD:
            break
        if len(waiting) > LOOKAHEAD:
            ready = waiting.popleft()
            yield ready, wanted(ready)
        if len(times) > 4 * LOOKAHEAD:
            del times[:LOOKAHEAD]
    for ready in waiting:
        yield ready, wanted(ready)


@dataclass
class _Group:
    """A keyframe and what follows it.

    Args:
        begin: The keyframe's time; None for what comes before the first one.
        begun: Whether the decoder has seen the keyframe.
        due: Whether the packets hold a wanted frame.
        leading: Whether one that is shown before the keyframe and may refer to the group before.
        packets: Packets that the decoder hasn't seen.
    """

    begin: int | None = None
    begun: bool = False
    due: bool = False
    leading: bool = False
    packets: list[Packet[VideoStream]] = field(default_factory=list)


class SparseDecoder:
    """Decodes wanted frames, and of the others only those that they need.

    Args:
        stream: The stream that the packets are of.
    """

    def __init__(self, stream: VideoStream) -> None:
        self._decoder = stream.codec_context
        self._before = _Group(begun=True)
        self._group = _Group(begun=True)
        self._awaited: set[int] = set()
        self.asked = 0
        """Wanted frames so far."""

    def take(self, packet: Packet[VideoStream], wanted: bool) -> Iterator[VideoFrame]:
        """Yields the wanted frames that are ready, in the order of showing.

        Args:
            packet: The next packet in the order of decoding.
            wanted: Whether its frame is wanted.
        """
        if packet.is_keyframe:
            yield from self._serve()
            self._before, self._group = self._group, _Group(packet.pts)
        group, time = self._group, packet.pts
        group.packets.append(packet)
        may_lead = group.begin is not None and (time is None or time <= group.begin)
        if wanted and time is not None:
            self.asked += 1
            self._awaited.add(time)
            group.due = True
            group.leading |= may_lead and time != group.begin
        # Leading frames come right after their keyframe. Before the last of them it isn't known
        # whether the group before, of which something was left out, is needed.
        if not (may_lead and self._before.packets):
            yield from self._serve()

    def finish(self) -> Iterator[VideoFrame]:
        """Yields the wanted frames that the decoder still holds."""
        yield from self._serve()
        yield from self._decode(None)

    def _serve(self) -> Iterator[VideoFrame]:
        """Decodes what is due, from the nearest keyframe that serves it."""
        before, group = self._before, self._group
        if not group.due:
            return
        if group.leading and before.packets:
            yield from self._feed(before, follows=before.begun)
        yield from self._feed(group, follows=not before.packets)
        before.packets.clear()
        group.due = group.leading = False

    def _feed(self, group: _Group, follows: bool) -> Iterator[VideoFrame]:
        """Decodes a group's packets.

        Args:
            group: The group.
            follows: Whether the decoder has seen all that comes before them.
        """
        if not group.begun and not follows:
            yield from self._decode(None)
            self._decoder.flush_buffers()
        group.begun = True
        packets, group.packets = group.packets, []
        for packet in packets:
            self._decoder.skip_frame = "DEFAULT" if packet.pts in self._awaited else "NONREF"
            yield from self._decode(packet)

    def _decode(self, packet: Packet[VideoStream] | None) -> Iterator[VideoFrame]:
        try:
            decoded = self._decoder.decode(packet)
        except FFmpegError:
            return
        for frame in decoded:
            if frame.pts in self._awaited:
                self._awaited.discard(frame.pts)
                yield frame
