"""Benchmarks whose numbers the documentation quotes.

::

    from facekp import Detector, benchmark

    detector = Detector.from_pretrained("resnet18-ibug")
    result = benchmark.finder(detector, samples, frames=frames)   # plain data, ready for JSON
    print(benchmark.finder_table(result))

    result = benchmark.speed(["photo.jpg"], thread_counts=[1, 2])
    print(benchmark.speed_table(result))
"""

from __future__ import annotations

from .conditions import CONDITIONS, Condition
from .finder import finder, finder_table
from .peers import Peer
from .speed import speed
from .speed_table import speed_table

__all__ = ["CONDITIONS", "Condition", "Peer", "finder", "finder_table", "speed", "speed_table"]
