"""Training: typed recipes on Lightning.  Needs ``pip install 'facekp[train]'``."""

from __future__ import annotations

from importlib.util import find_spec

from ..errors import MissingExtraError

for _package, _module in (("lightning", "lightning"), ("pydantic", "pydantic"), ("pyyaml", "yaml")):
    if find_spec(_module) is None:
        raise MissingExtraError(_package, "train")
