"""Exact planners over what a map setting lets the team know; they read arrays and hold no state."""
