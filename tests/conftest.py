"""What holds for all tests: how long an example of a property takes says nothing on a busy machine."""

from hypothesis import settings

settings.register_profile("retort", deadline=None)
settings.load_profile("retort")
