"""The student behind HTTP: wire types, batching, access, and the Ray Serve deployment.

Invariant: nothing here can reach a mirror or a teacher; a request's observation goes through the very prompt
and scoring that the student acts with in training.
"""
