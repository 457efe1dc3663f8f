"""`check("03.2", answer)` says correct, or gives a hint; `Exercises` holds those of a chapter."""

import importlib.util
import re

from course_utils.exercises.kinds import Answer, Function
from course_utils.exercises.networks import Network
from course_utils.exercises.trained import Encoder, Trained


class Exercises(dict):
    """A chapter's exercises, from identifier to one of the kinds.

    `answer` adds a value. The others are decorators: `function` of the right function, `network` of
    a builder of the right model, `trained` and `encoder` of a function that returns images and
    labels. What they decorate stays as it is, so that wrong ones can call it. All take the fields
    of their kind; `mistakes` maps a hint to what a reader does wrong.
    """

    def answer(self, exercise_id, expected, hint, **fields):
        """Adds an `Answer`."""
        self._add(exercise_id, Answer(expected, hint, **fields))

    def function(self, exercise_id, hint, **fields):
        """Adds a `Function` whose reference is the decorated one."""
        return self._decorator(Function, exercise_id, hint, fields)

    def network(self, exercise_id, hint, **fields):
        """Adds a `Network` whose builder is the decorated function."""
        return self._decorator(Network, exercise_id, hint, fields)

    def trained(self, exercise_id, hint, **fields):
        """Adds a `Trained` model to be judged on the images that the decorated function returns."""
        return self._decorator(Trained, exercise_id, hint, fields)

    def encoder(self, exercise_id, hint, **fields):
        """Adds an `Encoder` to be judged on the images that the decorated function returns."""
        return self._decorator(Encoder, exercise_id, hint, fields)

    def _decorator(self, kind, exercise_id, hint, fields):
        def register(decorated):
            self._add(exercise_id, kind(decorated, hint, **fields))
            return decorated

        return register

    def _add(self, exercise_id, exercise):
        if exercise_id in self:
            raise ValueError(f"there is an exercise {exercise_id} already")
        self[exercise_id] = exercise


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
