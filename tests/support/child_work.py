"""Work for child processes of tests: importable, because children import it afresh."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable


def prepare_arithmetic(offset: int) -> Callable[[object], object]:
    """Returns work that adds an offset to numbers and ends its process at words."""

    def work(item: object) -> object:
        if item == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if item == "exit":
            os._exit(7)
        if item == "raise":
            raise ZeroDivisionError
        if item == "pid":
            return os.getpid()
        if item == "sleep":
            print(os.getpid(), flush=True)
            time.sleep(60)
        assert isinstance(item, int)
        return item + offset

    return work


def prepare_nothing() -> Callable[[object], object]:
    """Ends its process before there is any work."""
    os._exit(3)


def main() -> None:
    """``URL SHARD_FILE``: leaves the mark of an attempt and waits to be killed."""
    import pickle
    from pathlib import Path

    from facebatch.extract import attempts
    from facebatch.storage.store import Storage

    shard = pickle.loads(Path(sys.argv[2]).read_bytes())
    attempts.begin(Storage(sys.argv[1]), shard)
    print("begun", flush=True)
    time.sleep(60)


if __name__ == "__main__":
    main()
