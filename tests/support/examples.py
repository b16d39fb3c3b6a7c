"""How many examples hypothesis tries: few in `make test`, all of them in `make test-full`."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

QUICK, FULL = "quick", "full"


def register_profiles() -> None:
    """Registers both profiles and loads the quick one; ``--hypothesis-profile`` chooses."""
    # A busy machine is slow, which says nothing about what is tested.
    patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile(QUICK, patient, max_examples=25)
    settings.register_profile(FULL, patient, max_examples=200)
    settings.load_profile(QUICK)


def examples(few: int, many: int) -> settings:
    """Returns the settings of a test whose number of examples differs from the profile's."""
    is_full = settings.get_current_profile_name() == FULL
    return settings(max_examples=many if is_full else few)
