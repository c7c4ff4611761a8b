"""Adapters: worlds that others made, behind the `World` contract."""
