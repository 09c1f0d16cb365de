"""Training: typed recipes on Lightning.  Needs ``pip install 'facekp[train]'``."""

from __future__ import annotations
