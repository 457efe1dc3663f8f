"""Small changes to a piece of code, each of which is likely to make it wrong."""

import ast
from itertools import pairwise

OPERATORS = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div, ast.Add),
    ast.Div: (ast.Mult, ast.FloorDiv),
    ast.FloorDiv: (ast.Mult, ast.Div),
    ast.Pow: (ast.Mult,),
    ast.Lt: (ast.LtE,),
    ast.LtE: (ast.Lt,),
    ast.Gt: (ast.GtE,),
    ast.GtE: (ast.Gt,),
    ast.Eq: (ast.NotEq,),
}
NAMES = {
    "ceil": ("floor",),
    "round": ("int", "math.ceil"),
    "argmax": ("argmin",),
    "argsort": ("sort",),
    "max": ("min", "mean"),
    "min": ("max",),
    "any": ("all",),
    "sum": ("mean", "max"),
    "mean": ("sum", "max"),
    "var": ("std",),
    "vstack": ("hstack",),
    "float32": ("float16", "int32"),
    "uint8": ("float32", "int32"),
}


def mutants(source):
    """The code with one change at a time.

    Numbers, operators, functions and dtypes become similar ones; calls, terms, keywords and steps
    are dropped; operands, arguments and items of tuples are swapped; slices are moved by one.
    Imports and calls of `check` stay. No change makes a loop over given items endless; a `while`
    would be another matter.

    Args:
        source: a piece of Python.

    Returns:
        A dict from the changed code to the line that the change made, for a message.
    """
    tree = ast.parse(source)
    before = ast.unparse(tree)
    found = {}
    for changed in map(ast.unparse, _with_one_change(tree)):
        if changed != before:
            new = [line for line in changed.splitlines() if line not in before.splitlines()]
            found[changed] = " ".join(new).strip()
    return found


def _with_one_change(node):
    """Copies of a node that differ from it in one place, at the node itself or below."""
    if isinstance(node, ast.Import | ast.ImportFrom) or _is_check(node):
        return
    yield from _instead_of(node)
    for name, value in ast.iter_fields(node):
        if isinstance(value, ast.AST):
            yield from (_copy(node, **{name: other}) for other in _with_one_change(value))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, ast.AST):
                    for other in _with_one_change(item):
                        items = [*value[:index], other, *value[index + 1 :]]
                        yield _copy(node, **{name: items})


def _instead_of(node):
    match node:
        case ast.Constant(value=bool() | None):
            pass
        case ast.Constant(value=str(name)) | ast.Name(id=name) | ast.Attribute(attr=name):
            field = node._fields[0] if not isinstance(node, ast.Attribute) else "attr"
            yield from (_copy(node, **{field: other}) for other in NAMES.get(name, ()))
        case ast.Constant(value=int(number)):
            yield from map(ast.Constant, (number + 1, number - 1))
        case ast.Constant(value=float(number)):
            yield from map(ast.Constant, (number + 1, number - 1, number * 10, number / 10))
        case ast.UnaryOp(op=ast.USub()):
            yield node.operand
        case ast.BinOp():
            yield from (_copy(node, op=other()) for other in OPERATORS.get(type(node.op), ()))
            yield from (node.left, node.right)
            if not isinstance(node.op, ast.Add | ast.Mult):
                yield _copy(node, left=node.right, right=node.left)
        case ast.Compare():
            yield from (_copy(node, ops=[op()]) for op in OPERATORS.get(type(node.ops[0]), ()))
        case ast.AugAssign():
            yield ast.Pass()
            yield from (_copy(node, op=other()) for other in OPERATORS.get(type(node.op), ()))
        case ast.IfExp():
            yield from (node.body, node.orelse)
        case ast.If():
            yield from (_copy(node, test=ast.Constant(value)) for value in (True, False))
        case ast.Call():
            yield from _other_calls(node)
        case ast.Tuple() | ast.List():
            yield from (_copy(node, elts=items) for items in _swapped(node.elts))
        case ast.arguments():
            yield from (_copy(node, args=names) for names in _swapped(node.args))
        case ast.Slice():
            yield _copy(node, lower=_plus(node.lower or ast.Constant(0), 1))
            if node.upper:
                yield from (_copy(node, upper=_plus(node.upper, step)) for step in (1, -1))


def _other_calls(node):
    yield from (_copy(node, args=arguments) for arguments in _swapped(node.args))
    for keyword in node.keywords:
        yield _copy(node, keywords=[other for other in node.keywords if other is not keyword])
    match node.func:
        case ast.Attribute(value=ast.Name(id="np" | "math" | "convolution")) | ast.Name():
            yield from node.args[:1]
        case ast.Attribute(value=receiver):
            yield receiver


def _swapped(items):
    """The items with two neighbours exchanged, for every two."""
    for first, second in pairwise(range(len(items))):
        order = list(items)
        order[first], order[second] = order[second], order[first]
        yield order


def _plus(node, step):
    return ast.BinOp(node, ast.Add(), ast.Constant(step))


def _copy(node, **changes):
    copy = type(node)(**{**dict(ast.iter_fields(node)), **changes})
    return ast.copy_location(copy, node)


def _is_check(node):
    return isinstance(node, ast.Expr) and ast.unparse(node).startswith("check(")
