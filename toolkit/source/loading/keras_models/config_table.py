"""A table of a Keras configuration, which somebody else wrote: its keys are known, and each value may be of any type."""

from __future__ import annotations

from typing import Any, TypedDict


class ConfigTable(TypedDict, total=False):
    """An object in a configuration: its class, and what the class is called with; all keys may be missing.

    `module` and `registered_name` are of Keras 3. `vocabulary`, `type_spec` and `spec_name` belong to lookup layers and to descriptions of tensors.
    """

    class_name: Any
    config: Any
    module: Any
    registered_name: Any
    name: Any
    vocabulary: Any
    type_spec: Any
    spec_name: Any
