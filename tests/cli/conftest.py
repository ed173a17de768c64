from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # for tests.workflow

from tests.workflow.conftest import clinic, paper, soon

__all__ = ["clinic", "paper", "soon"]
