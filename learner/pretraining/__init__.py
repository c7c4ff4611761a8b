"""The base model: an encoder and a language model grounded on frames, before any task."""
