"""The team that knows more than the student: roles, planners, extra experts and their backends."""
