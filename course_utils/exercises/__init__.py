"""Exercises that check themselves: `check("03.2", answer)` says correct, or gives a hint.

A chapter's exercises stand in the module `chapter_NN`; `judge` holds the kinds of exercise and
decides what an answer deserves.
"""

from course_utils.exercises.judge import check

__all__ = ["check"]
