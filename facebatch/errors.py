"""Every error facebatch raises on purpose, and the exit code each one ends a command with.

    FacebatchError
    ├── UsageError                 2    the command, a setting or an input can't be used
    │   ├── InputError             2    a root, file or folder that can't be read as asked
    │   ├── SettingsMismatch       2    a setting differs from the collection's frozen one
    │   ├── CollectionError        2    the output root isn't, or isn't yet, a usable collection
    │   │   └── SpaceMismatch      2    embeddings of two spaces were brought together
    │   ├── DecisionRefused        2    a decision about people can't be taken
    │   ├── WorkerMismatch         2    a worker sees another store, or has another facebatch
    │   ├── GalleryError           2    a gallery is missing, damaged or lacks what was asked for
    │   └── WeightsError           2    model weights are missing or aren't the ones expected
    │       ├── CardError          2    a model card that lacks something or can't be
    │       ├── DownloadError      2    weights can't be fetched, or not now
    │       └── DatFormatError     2    a dlib .dat file that doesn't hold the network expected
    ├── TooManyFailures            3    more items were quarantined than --max-failures allows
    ├── Interrupted              130    the user stopped the run
    ├── WorkerDied                 1    a worker process ended before its work was done
    ├── StageFailed                1    a worker raised: a bug, or a store that can't be written
    └── MediaError                 -    one media item can't be processed; it becomes a
                                        quarantined row and never ends a command

Exit code 4 is no error: it is the answer no, of `unlock` and `train head` (refused), `verify`
(different) and `check` (damaged).

This module imports nothing of facebatch, so that every room may import it.
"""

from __future__ import annotations

from typing import ClassVar


class FacebatchError(Exception):
    """Base of all deliberate errors. ``exit_code`` is what the command line returns for it."""

    exit_code: ClassVar[int] = 1


class UsageError(FacebatchError):
    """The command, one of its settings or one of its inputs can't be used."""

    exit_code = 2


class InputError(UsageError):
    """A root, file or folder that can't be read as asked."""


class SettingsMismatch(UsageError):
    """An extraction setting differs from the one the collection was made with."""


class CollectionError(UsageError):
    """The output root isn't a collection, or a stage it needs has not run yet."""


class SpaceMismatch(CollectionError):
    """Embeddings of two spaces were brought together; their distances mean nothing."""


class DecisionRefused(UsageError):
    """A decision about people can't be taken.

    Args:
        reason: A code for it, by which others say it in their own words or language.
        message: What a person reads.
        who: How the message calls the person that it is about, where it is about one.
    """

    def __init__(self, reason: str, message: str, who: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.who = who


class WorkerMismatch(UsageError):
    """A worker sees another store than the launcher, or has another version of facebatch."""


class GalleryError(UsageError):
    """A gallery is missing, damaged, of another format or lacks what was asked for."""


class WeightsError(UsageError):
    """Model weights are missing or aren't the file whose hash the registry names."""


class CardError(WeightsError):
    """A model card that isn't one, lacks something, or says something that can't be."""


class DownloadError(WeightsError):
    """Weights can't be fetched: no network, no such file, or other bytes than expected."""


class DatFormatError(WeightsError):
    """A dlib ``.dat`` file that is damaged or holds another network than the one expected."""


class TooManyFailures(FacebatchError):
    """More items were quarantined than allowed; everything is committed all the same."""

    exit_code = 3


class Interrupted(FacebatchError):
    """The user stopped the run; what was committed stays."""

    exit_code = 130


class WorkerDied(FacebatchError):
    """A worker process ended before its work was done; what was committed stays."""

    exit_code = 1


class StageFailed(FacebatchError):
    """A stage raised in a worker; what was committed stays."""

    exit_code = 1


class MediaError(FacebatchError):
    """One media item can't be processed.

    Args:
        reason: The reason code that goes into the media row (docs/tables.md lists them).
        message: What a person reads beside it.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
