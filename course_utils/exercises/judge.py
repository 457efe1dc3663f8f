"""`check("03.2", answer)` says correct, or gives a hint; `Exercises` holds those of a chapter."""

import importlib.util
import re

from course_utils.exercises.kinds import Answer, Function
from course_utils.exercises.networks import Network, Trained


class Exercises(dict):
    """A chapter's exercises, from identifier to one of the kinds.

    `answer` adds a value. The others are decorators of the right function, which stays as it is,
    so that wrong functions can call it. All take the fields of their kind, and `mistakes` as a
    flat list: what a reader does wrong, the hint to it, the next one, its hint, and so on.
    """

    def answer(self, exercise_id, expected, hint, **fields):
        """Adds an `Answer`."""
        self._add(exercise_id, Answer, expected, hint, fields)

    def function(self, exercise_id, hint, **fields):
        """Adds a `Function` whose reference is the decorated one."""
        return self._decorator(exercise_id, Function, hint, fields)

    def network(self, exercise_id, hint, **fields):
        """Adds a `Network`; the decorated function builds a right one."""
        return self._decorator(exercise_id, Network, hint, fields)

    def trained(self, exercise_id, hint, **fields):
        """Adds a `Trained`; the decorated function builds and trains a right one."""
        return self._decorator(exercise_id, Trained, hint, fields)

    def _decorator(self, exercise_id, kind, hint, fields):
        def register(reference):
            self._add(exercise_id, kind, reference, hint, fields)
            return reference

        return register

    def _add(self, exercise_id, kind, right, hint, fields):
        flat = fields.pop("mistakes", [])
        if exercise_id in self or len(flat) % 2:
            raise ValueError(f"{exercise_id}: expected a new number and mistakes in pairs")
        pairs = list(zip(flat[::2], flat[1::2], strict=True))
        self[exercise_id] = kind(right, hint, mistakes=pairs, **fields)


def check(exercise_id, answer):
    """Prints whether `answer` solves the exercise, and if not, a hint.

    Args:
        exercise_id: chapter and number, as in "03.2".
        answer: what the exercise asks for: a number, an array, a text, a structure of them, a
            function, or a Keras model.

    Raises:
        ValueError: if there is no exercise of that identifier.
    """
    verdict = find(exercise_id).judge(answer)
    end = f": {verdict.message}" if verdict.message else "."
    print(f"Exercise {exercise_id} {verdict.status}{end}")


def find(exercise_id):
    """The exercise of that identifier; `ValueError` if there is none."""
    if isinstance(exercise_id, str) and re.fullmatch(r"\d\d[a-z]?\.\d", exercise_id):
        chapter = f"{__package__}.chapter_{exercise_id.split('.')[0]}"
        if importlib.util.find_spec(chapter):
            exercises = importlib.import_module(chapter).EXERCISES
            if exercise_id in exercises:
                return exercises[exercise_id]
            raise ValueError(f"no exercise {exercise_id}; this chapter has {', '.join(exercises)}")
    raise ValueError(f'expected a chapter and a number, as in "03.2", got {exercise_id!r}')
