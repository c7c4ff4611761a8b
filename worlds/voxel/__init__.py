"""The embedded Minecraft-like voxel world: batched, deterministic, numba."""
