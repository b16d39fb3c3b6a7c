"""A camera that is watched for hours takes no more memory than one that is watched for a minute."""

from __future__ import annotations

import io
import threading
import time
from datetime import timedelta

import psutil
import pytest
from PIL import Image
from support.videos import walk

from facebatch.live.events import Greeter, Sink
from facebatch.live.sources import Frame, Latest
from facebatch.live.watching import Watch

WARM, LOOKS, VISIT = 120, 360, 30
MOST_GROWTH = 30e6
"""Bytes; the pictures of 240 looks, of 0.5 MB each, would be 120 MB."""


@pytest.mark.full
def test_memory_is_flat_once_it_is_warm(follower) -> None:
    pictures = [Image.fromarray(each) for each in walk([26, 35], VISIT)]
    process, sizes, latest = psutil.Process(), [], Latest(drops=False)

    def put() -> None:
        for look in range(LOOKS):
            # People come anew after each visit: their tracks end, and others begin.
            at = (look // VISIT) * 10_000_000 + (look % VISIT) * 100_000
            picture = pictures[look % VISIT]
            latest.put(Frame(at, time.monotonic(), picture.copy))
            sizes.append(process.memory_info().rss)
        latest.end()

    threading.Thread(target=put, daemon=True).start()
    out = io.StringIO()
    sink = Sink(out, as_json=True, keep=None)
    watch = Watch(follower, sink, Greeter(timedelta(minutes=10)), print)
    assert watch.run(latest, threading.Event()).looks == LOOKS
    assert out.getvalue().count('"left"') == 2 * LOOKS // VISIT
    assert max(sizes[WARM:]) - sizes[WARM] < MOST_GROWTH
