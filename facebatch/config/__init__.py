"""Settings: one frozen dataclass per stage, where each value came from, space and fingerprint.

Precedence, strongest first: flag, ``FACEBATCH_*`` variable, ``--config`` TOML, ``collection.json``,
default. What decides whether embeddings are comparable is the space; what decides which faces are
found as well is the fingerprint. A collection has one of each for its whole life. Everything that
is known of a setting stands at its field; nothing heavy is imported here, since the command line
makes its options from that.
"""

from facebatch.config.extract import ExtractSettings
from facebatch.config.grouping import (
    ALGORITHMS,
    DEFAULT_ALGORITHM,
    GroupingSettings,
    Purpose,
    in_todays_names,
)
from facebatch.config.run import DEFAULT_EXECUTION, Execution, RunSettings
from facebatch.config.setting import Field, fields_of
from facebatch.config.sources import (
    TABLES,
    RenamedSetting,
    read_flags,
    resolve_extract,
    resolve_grouping,
    resolve_run,
)

__all__ = [
    "ALGORITHMS",
    "DEFAULT_ALGORITHM",
    "DEFAULT_EXECUTION",
    "TABLES",
    "Execution",
    "ExtractSettings",
    "Field",
    "GroupingSettings",
    "Purpose",
    "RenamedSetting",
    "RunSettings",
    "fields_of",
    "in_todays_names",
    "read_flags",
    "resolve_extract",
    "resolve_grouping",
    "resolve_run",
]
