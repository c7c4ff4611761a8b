"""The team over a chat model: what each role is told, what it may answer, who checks it."""
