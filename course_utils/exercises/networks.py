"""The kind of exercise that asks for a network of a given structure."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import course_utils.exercises.models as models
from course_utils.exercises.compare import ANY_ERROR, is_unanswered
from course_utils.exercises.kinds import CORRECT, UNANSWERED, WRONG, Verdict


@dataclass(frozen=True)
class Network:
    """A built Keras model of a given structure; whether it is trained makes no difference.

    Attributes:
        builder: builds a right model.
        hint: said after what is wrong, of a model that no mistake explains.
        input_shape: of one image, as in (28, 28, 1); None is an axis of any length.
        output_shape: of what one image gives, as in (10,); a list or a dict for several outputs.
        parameters: how many numbers the model holds, or (fewest, most), with None for no bound.
        layers: kinds that must come in this order, others between them, or how many there are of
            a kind, as in {"Conv2D": 3}. Models inside the model are opened.
        outputs: "probabilities" or "logits".
        compiled: whether it must be compiled or must not be.
        must: what else holds of a right model: functions of it, each under the hint for a model
            of which it does not hold.
        mistakes: hints that name what went wrong, each with a builder of the wrong model. One that
            agrees with the answer in all that is asked for is what the reader built.
        praise: one sentence added to "correct".
    """

    builder: Callable
    hint: str
    input_shape: tuple
    output_shape: tuple | list | dict
    parameters: int | tuple = (None, None)
    layers: Sequence[str] | Mapping[str, int] = ()
    outputs: str | None = None
    compiled: bool | None = None
    must: Mapping[str, Callable] = field(default_factory=dict)
    mistakes: Mapping[str, Callable] = field(default_factory=dict)
    praise: str = ""

    def judge(self, answer):
        if is_unanswered(answer):
            todo = "build the model in place of the dots `...` and run the cell."
            return Verdict(UNANSWERED, todo)
        try:
            if problem := models.about_kind(answer):
                return Verdict(WRONG, problem)
            facts = self._facts(answer)
        except ANY_ERROR as error:  # from the reader's own class of models
            return Verdict(WRONG, models.about_error(self.input_shape, error))
        problem = self._problem(facts)
        if not problem:
            return Verdict(CORRECT, self.praise)
        for hint, wrong in self._mistaken.items():
            if wrong == facts:
                return Verdict(WRONG, hint)
        if problem not in self.must:
            problem = f"{problem.removesuffix('.')}; {self.hint}"
        return Verdict(WRONG, problem)

    @functools.cached_property
    def _mistaken(self):
        """The facts of each mistake, by its hint; to build large networks takes time."""
        return {hint: self._facts(wrong()) for hint, wrong in self.mistakes.items()}

    def _facts(self, model):
        """What is asked for, measured: what this exercise sees of a model, and no more."""
        takes = getattr(model, "input_shape", (None, *self.input_shape))  # a subclass has none
        facts = {
            "input": takes[1:] if isinstance(takes, tuple) else takes,  # a list: several inputs
            "layers": [type(layer).__name__ for layer in models.all_layers(model) if self.layers],
            "parameters": model.count_params(),
        }
        if self._fits(facts["input"]):  # what follows can only be seen on inputs
            facts |= {
                "output": models.shape_of_outputs(model, self.input_shape),
                "outputs": self.outputs and models.kind_of_outputs(model, self.input_shape),
                "compiled": None if self.compiled is None else model.compiled,
                "missing": models.about_missing(model, self.must),
            }
        return facts

    def _fits(self, takes):
        if len(takes) != len(self.input_shape):
            return False
        pairs = zip(takes, self.input_shape, strict=True)
        return all(length in (None, wanted) for length, wanted in pairs)

    def _problem(self, facts):
        """A sentence about the first thing that is not as it should be, or an empty one."""
        if not self._fits(takes := facts["input"]):
            return f"its input should have shape {self.input_shape}, yours has {takes}."
        if facts["output"] != self.output_shape:
            return f"its output should have shape {self.output_shape}, yours has {facts['output']}."
        if not models.has_layers(facts["layers"], self.layers):
            yours = ", ".join(facts["layers"])
            return f"its layers should be {self._layers_in_words()}; yours: {yours}."
        if problem := models.about_parameters(facts["parameters"], self.parameters):
            return problem
        if facts["outputs"] != self.outputs:
            return f"it should give {self.outputs}, yours gives {facts['outputs']}."
        if facts["compiled"] != self.compiled:
            return "it should be compiled." if self.compiled else "it should not be compiled."
        return facts["missing"]

    def _layers_in_words(self):
        if isinstance(self.layers, Mapping):
            return ", ".join(f"{count} {kind}" for kind, count in self.layers.items())
        return f"{', '.join(self.layers)} in this order"
