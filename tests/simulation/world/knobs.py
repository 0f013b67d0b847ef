"""Constants of the product, set for one history in every module that has imported them.

A module that takes its values from them at each use behaves as with large databases, only sooner.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from types import ModuleType

import lambda_handlers

_NOT_HERE = ("lambda_handlers.db_function",)  # makes a service when it is imported inside Lambda


@lru_cache(maxsize=1)
def _modules() -> tuple[ModuleType, ...]:
    found = pkgutil.walk_packages(lambda_handlers.__path__, "lambda_handlers.")
    return tuple(importlib.import_module(info.name) for info in found if info.name not in _NOT_HERE)


@lru_cache(maxsize=64)
def _places(name: str) -> tuple[ModuleType, ...]:
    places = tuple(module for module in _modules() if name in vars(module))
    assert places, f"nothing is called {name} any more"
    return places


@contextmanager
def set_to(values: Mapping[str, int]) -> Iterator[None]:
    before = [(module, name, getattr(module, name)) for name in values for module in _places(name)]
    try:
        for module, name, _ in before:
            setattr(module, name, values[name])
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)
