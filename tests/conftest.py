"""For every test: where the twins of the kernels and shared parts are found, and Hypothesis without chance or clock."""

import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))  # for `reference` and `support`

settings.register_profile("hotrow", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("hotrow")
