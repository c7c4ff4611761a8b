"""Calls to a model elsewhere: the question, who may ask it when, and the recording of every answer."""
