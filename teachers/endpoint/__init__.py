"""A local OpenAI-compatible endpoint: the scripted planners behind HTTP, latency and faults on demand."""
