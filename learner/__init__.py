"""Algorithms, losses, the DeepSpeed engine, checkpoints and weight publishing."""
