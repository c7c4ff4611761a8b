"""The report: one HTML file that needs nothing beside it."""

from evaluation.report.page import write_report

__all__ = ["write_report"]
