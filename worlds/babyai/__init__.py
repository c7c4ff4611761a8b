"""BabyAI: the levels of minigrid, seen as pixels, a world that this project did not write."""
