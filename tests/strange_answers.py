"""Answers that readers could hand in, whose own methods fail: what the judge has to survive."""

import sys

import numpy as np


def fail(*arguments, **options):
    raise RuntimeError("never call me")


def leave(*arguments, **options):
    sys.exit("bye")


def deeper(*arguments):
    return deeper(*arguments)


def hostile(base=object, body=fail, *names):
    return type("Hostile", (base,), dict.fromkeys(names, body))


METHODS = ["__array__", "__float__", "__eq__", "__repr__", "__len__", "__iter__", "__bool__"]
STRANGE = {
    **{name: hostile(object, fail, name)() for name in METHODS},
    **{f"{name} leaves": hostile(object, leave, name)() for name in METHODS},
    "__array__ for ever": hostile(object, deeper, "__array__")(),
    "all": hostile(object, fail, *METHODS, "__getattr__", "__call__")(),
    "__class__": hostile(object, property(fail), "__class__", "__signature__")(),
    "__call__": hostile(object, fail, "__call__", "__repr__")(),
    "list": hostile(list, fail, "__iter__", "__len__", "__repr__", "__getitem__")(),
    "tuple": hostile(tuple, leave, "__iter__", "__len__")(),
    "dict": hostile(dict, fail, "__iter__", "keys", "values", "__repr__")(),
    "str": hostile(str, fail, "lower", "__repr__")("Stride two"),
    "int": hostile(int, fail, "__eq__", "__float__", "__repr__")(5),
    "type": hostile(type, fail, "__repr__", "__call__")("Made", (), {}),
    "part": [{"boxes": hostile(object, fail, *METHODS)(), "labels": [1, 7]}, {}],
    "huge": 10**5000,
    "module": np,
    "bytes": b"3",
    "time": np.datetime64("2020-01-01"),
    "record": np.zeros(2, "i4,f4"),
}
STRANGE["itself"] = [1]
STRANGE["itself"].append(STRANGE["itself"])
