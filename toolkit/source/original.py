"""The model that a user hands in, with all options that concern it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

ALL = "all"  # in place of a signature's key: each of them, one after the other
Device = Literal["cpu", "gpu"]


@dataclass(frozen=True, slots=True)
class Original:
    """The model that is handed in, with the options of the command line.

    signature           key of a signature; several keys or "all" where a verb takes more than one
    shapes              the shape of one call, by input, for inputs whose sizes the model leaves open
    sizes               several such shapes, where one artifact has to take each
    builder             "package.module:function" or "file.py:function", called with `builder_args`: makes the model whose variables a checkpoint or
                        a file of weights holds
    step                which of several checkpoints
    map                 TOML file with other names of variables
    inputs, outputs     {name: tensor}: where to cut the graph
    bind                {tensor: value} for placeholders
    allow_unrestored    patterns of variables that the file need not hold
    trust               operators may reach for files, Python or the network, and the model may run unconfined
    device              what the original itself runs on
    """

    path: Path
    signature: str | tuple[str, ...] | None = None
    shapes: Mapping[str, Sequence[int]] | None = None
    builder: str | None = None
    builder_args: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    step: int | None = None
    inputs: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    outputs: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    bind: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    map: Path | None = None
    allow_unrestored: Sequence[str] = ()
    trust: bool = False
    device: Device = "cpu"
    sizes: tuple[Mapping[str, Sequence[int]], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))
        if self.map is not None:
            object.__setattr__(self, "map", Path(self.map))

    @property
    def given(self) -> set[str]:
        """The names of the given options that only some kinds of models take."""
        names = ("builder", "step", "inputs", "outputs", "bind", "map", "allow_unrestored")
        return {name for name in names if getattr(self, name) or getattr(self, name) == 0}

    @property
    def cut(self) -> bool:
        """Whether the graph begins or ends elsewhere than its signature does."""
        return bool(self.inputs or self.outputs)

    @property
    def loads(self) -> bool:
        """Whether options are given that only loading can check."""
        return bool(self.builder or self.cut or self.bind)
