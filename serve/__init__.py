"""The Ray Serve deployment of the student (not built yet: see docs/roadmap.md)."""
