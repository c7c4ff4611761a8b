"""Benchmarks behind `retort bench`: each stage alone, the whole, and their peers in the same run."""
