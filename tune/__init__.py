"""Ablations and sweeps on Ray Tune, and the tables they end in."""
