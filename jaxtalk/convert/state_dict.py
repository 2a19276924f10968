"""Published state dicts to flax variables, as tables of names.

A table is a list of rules: a pattern of PyTorch's name, the path of ours ("params/encoder/layer_0/conv/kernel"), and
what happens to the array. Conversion is strict: every array must find its place and every place its array.
"""

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxtalk.errors import InputError
from jaxtalk.io.weights import flatten, unflatten

Transform = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Rule:
    """`pattern` must match a whole name; `path` may refer to its groups (\\1); no path means: leave it out."""

    pattern: str
    path: str | None
    transform: Transform = np.asarray


def convert(
    source: str | Path, state: Mapping[str, np.ndarray], table: Iterable[Rule], like: Mapping[str, Any]
) -> dict[str, Any]:
    """The variables of a model, float32, from a published state dict.

    `like` is the abstract tree of the variables (`jax.eval_shape` of the model's init); `source` names the file in
    messages. BatchNorm's `num_batches_tracked` is left out. InputError, in one line, lists all arrays that are
    missing, unexpected or of a wrong shape.
    """
    rules = [(re.compile(rule.pattern), rule) for rule in table]
    expected = {path: tuple(leaf.shape) for path, leaf in flatten(like).items()}
    converted, problems = {}, []
    for name, value in state.items():
        found = _find(rules, name)
        if _ignored(name, found):
            continue
        if found is None:
            problems.append(f"{name} is unexpected")
            continue
        match, rule = found
        path, array = match.expand(rule.path), _transformed(rule, value)
        if path not in expected:
            problems.append(f"{name} is unexpected (the model has no {path})")
        elif array is None:
            problems.append(f"{name} has shape {value.shape}, which cannot be laid out as {path} {expected[path]}")
        elif array.shape != expected[path]:
            problems.append(f"{name} gives shape {array.shape} where {path} has {expected[path]}")
        elif path in converted:
            problems.append(f"{name} gives {path} twice")
        converted[path] = array if array is None else array.astype(np.float32)
    problems += [f"{path} is missing" for path in expected.keys() - converted.keys()]
    if problems:
        raise InputError(f"{source}: does not fit the model: {'; '.join(sorted(problems))}")
    return unflatten(converted)


def left_out(state: Mapping[str, np.ndarray], table: Iterable[Rule]) -> list[str]:
    """The names that `convert` does not use, since the table says so or nobody needs them."""
    rules = [(re.compile(rule.pattern), rule) for rule in table]
    return sorted(name for name in state if _ignored(name, _find(rules, name)))


def select(state: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The part of a state dict under a prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def convolution(name: str, path: str, bias: bool = True) -> list[Rule]:
    """(out, in, *window) -> [*window, in, out]."""
    return _affine(name, path, lambda w: np.transpose(w, (*range(2, w.ndim), 1, 0)), bias)


def transposed_convolution(name: str, path: str, bias: bool = True) -> list[Rule]:
    """(in, out, *window) -> [*window, in, out]."""
    return _affine(name, path, lambda w: np.transpose(w, (*range(2, w.ndim), 0, 1)), bias)


def linear(name: str, path: str, bias: bool = True) -> list[Rule]:
    """(out, in) -> [in, out]."""
    return _affine(name, path, np.transpose, bias)


def batch_norm(name: str, path: str) -> list[Rule]:
    """Scale and bias, and the running statistics."""
    return [
        Rule(rf"{name}\.weight", f"params/{path}/scale"),
        Rule(rf"{name}\.bias", f"params/{path}/bias"),
        Rule(rf"{name}\.running_mean", f"batch_stats/{path}/mean"),
        Rule(rf"{name}\.running_var", f"batch_stats/{path}/var"),
    ]


def _find(rules, name):
    """The first rule that a name fits, with the match."""
    return next(((match, rule) for pattern, rule in rules if (match := pattern.fullmatch(name))), None)


def _transformed(rule, value):
    """The array as ours; None if it has not the axes that the rule's layer has."""
    try:
        return rule.transform(value)
    except (ValueError, IndexError, TypeError):
        return None


def _ignored(name, found):
    return name.endswith("num_batches_tracked") or (found is not None and found[1].path is None)


def _affine(name: str, path: str, transform: Transform, bias: bool) -> list[Rule]:
    rules = [Rule(rf"{name}\.weight", f"params/{path}/kernel", transform)]
    return [*rules, Rule(rf"{name}\.bias", f"params/{path}/bias")] if bias else rules
