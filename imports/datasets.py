"""The datasets that can be imported. Apps register theirs in a module `datasets` of their own."""

from collections.abc import Mapping
from types import MappingProxyType

from imports.engine.records import Dataset, ImportFailure

_registered: dict[str, Dataset] = {}

datasets: Mapping[str, Dataset] = MappingProxyType(_registered)


def register(dataset: Dataset) -> None:
    """Makes a dataset importable. Raises ValueError where its name is taken."""
    if dataset.name in _registered:
        msg = f"a dataset named {dataset.name} is registered already"
        raise ValueError(msg)
    _registered[dataset.name] = dataset


def find_dataset(name: str) -> Dataset:
    """Raises ImportFailure where no dataset has that name (any more)."""
    if name not in _registered:
        known = ", ".join(sorted(_registered))
        raise ImportFailure("unknown_dataset", f"there is no dataset {name}, only {known}")
    return _registered[name]
