"""Which params a stage reads, told from its source: `params` is followed from call to call."""

import ast
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel

from components.shop_ranking.params import Params

ROOT = Path(__file__).parents[2]
PROPERTIES = {"dataset": "data.dataset", "simulated": "data"}  # of the params themselves
Definition = ast.FunctionDef | ast.ClassDef


class Place(NamedTuple):
    """A function or class."""

    module: str
    name: str


def paths_read(
    start: Place, known: Mapping[str, Collection[str]], passed_over: Collection[Place] = ()
) -> set[str]:
    """Return the dotted paths of what is read from a function on; a section's where it goes whole.

    Args:
        start: the function of a stage.
        known: what is read behind a call that only running it can tell.
        passed_over: functions that change no output.

    Raises:
        AssertionError: params are handed to a call that is neither found nor known.

    """
    paths: set[str] = set()
    waiting, seen = [start], {start, *passed_over}
    while waiting:
        place = waiting.pop()
        for function, names in _functions(_definition(place)):
            paths |= {path for node in _whole(function) if (path := _path(node, names))}
            for call in _handing_on(function, names):
                called = _called(call, place.module)
                if not called:
                    text = ast.unparse(call.func)
                    assert text in known, f"{place} hands params to {text}: say what that reads"
                    paths |= set(known[text])
                waiting += called - seen
                seen |= called
    return paths


def _functions(definition: Definition) -> Iterator[tuple[ast.FunctionDef, set[str]]]:
    """Yield the functions of a definition, each with the expressions that are params in it."""
    if isinstance(definition, ast.FunctionDef):
        yield definition, _arguments(definition)
        return
    methods = [node for node in definition.body if isinstance(node, ast.FunctionDef)]
    kept = {"self.params"} if any(_arguments(method) for method in methods) else set()
    for method in methods:
        yield method, _arguments(method) | kept


def _arguments(function: ast.FunctionDef) -> set[str]:
    given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return {
        argument.arg
        for argument in given
        if argument.annotation and ast.unparse(argument.annotation).strip("'\"") == "Params"
    }


def _whole(function: ast.FunctionDef) -> list[ast.Attribute]:
    """Return a.b.c of a function, but not the a.b within it."""
    every = [node for node in ast.walk(function) if isinstance(node, ast.Attribute)]
    inner = {id(node.value) for node in every}
    return [node for node in every if id(node) not in inner]


def _path(node: ast.Attribute, names: set[str]) -> str | None:
    """Return the path of a param, None for what is none."""
    text = ast.unparse(node)
    name = next((name for name in names if text.startswith(f"{name}.")), None)
    if name is None:
        return None
    model: type[BaseModel] | None = Params
    parts: list[str] = []
    for part in text.removeprefix(f"{name}.").split("."):
        if model is None or part not in model.model_fields:
            break
        parts.append(part)
        kind = model.model_fields[part].annotation
        model = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
    return ".".join(parts) or PROPERTIES[node.attr]


def _handing_on(function: ast.FunctionDef, names: set[str]) -> Iterator[ast.Call]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            given = [*node.args, *(keyword.value for keyword in node.keywords)]
            if any(ast.unparse(value) in names for value in given):
                yield node


def _called(call: ast.Call, module: str) -> set[Place]:
    """Return what is called and says of an argument that it is params; of submit(f, ...) f too."""
    places = (_place(ast.unparse(part), module) for part in [call.func, *call.args])
    return {
        place
        for place in places
        if place and any(names for _, names in _functions(_definition(place)))
    }


def _place(text: str, module: str) -> Place | None:
    """Return what a dotted name means in a module; a class for its class methods."""
    first, *rest = text.split(".")
    names = _names(module)
    if first not in names or not all(part.isidentifier() for part in rest):
        return None
    dotted = ".".join([names[first], *rest]).split(".")
    for end in range(len(dotted), 0, -1):
        inside = ".".join(dotted[:end])
        if end < len(dotted) and _file(inside) is not None:
            if dotted[end] in _definitions(inside):
                return Place(inside, dotted[end])
            if dotted[end] in _names(inside):  # it imports the name itself
                return _place(".".join(dotted[end:]), inside)
            return None
    return None


def _definition(place: Place) -> Definition:
    return _definitions(place.module)[place.name]


@cache
def _definitions(module: str) -> dict[str, Definition]:
    return {node.name: node for node in _tree(module).body if isinstance(node, Definition)}


@cache
def _names(module: str) -> dict[str, str]:
    """Return what a module's names mean: what it imports, anywhere, and what it defines."""
    names = {name: f"{module}.{name}" for name in _definitions(module)}
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.ImportFrom):
            names |= {
                alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names
            }
    return names


@cache
def _tree(module: str) -> ast.Module:
    file = _file(module)
    assert file is not None, module
    return ast.parse(file.read_text())


def _file(module: str) -> Path | None:
    path = ROOT / module.replace(".", "/")
    files = [path.with_suffix(".py"), path / "__init__.py"]
    return next((file for file in files if file.is_file()), None)
