"""How Hypothesis behaves everywhere: no deadlines on shared machines, the same examples in CI."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("default", deadline=None)
# A run that fails has to fail again when somebody looks; new examples are what `-m slow` and the
# fuzzers are for.
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")
