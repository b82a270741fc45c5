"""Of the options of a request, those that concern a graph: where to cut it, and what the user allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class GraphOptions:
    """Options of `toolkit.source.kinds`, under their names: `path` is what messages call the model, `inputs` and `outputs` are {name: tensor}."""

    path: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    bind: Mapping[str, str]
    allow_unrestored: Sequence[str]
    trust: bool

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> GraphOptions:
        """Return them from the options of a request, which hold more."""
        return cls(**{field.name: options[field.name] for field in fields(cls)})
