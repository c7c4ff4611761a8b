"""Suites, metrics with confidence intervals, the HTML report."""
