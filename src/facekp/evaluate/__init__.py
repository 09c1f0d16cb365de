"""A model against a data set: the report.

::

    report = facekp.evaluate.evaluate(detector, samples, boxes="finder")
    print(report)                                            # a table
    report.nme, report.nme_interval                          # over all faces
    report.sets["afw"].nme, report.groups["jaw"].nme, report.yaw["30 to 45"].nme
    facekp.evaluate.worst_sheet(report, samples)             # the worst faces, with truth and prediction
"""

from __future__ import annotations

from .report import MISSED, Measures, Report, WorstFace, measure, table
from .run import evaluate
from .sheet import worst_sheet

__all__ = ["MISSED", "Measures", "Report", "WorstFace", "evaluate", "measure", "table", "worst_sheet"]
