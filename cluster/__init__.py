"""Typed config, run folders, the serial and the Ray driver, job submission."""
