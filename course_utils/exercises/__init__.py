"""Exercises that check themselves: `check("03.2", answer)` says correct, or gives a hint.

A chapter's exercises stand in the module `chapter_NN`. `judge` finds and declares them; `kinds`,
`networks` and `trained` hold the kinds of exercise.
"""

from course_utils.exercises.judge import check

__all__ = ["check"]
