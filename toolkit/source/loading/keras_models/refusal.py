"""A name in a configuration of Keras that is refused, and what the named function is known to do."""

from __future__ import annotations

import re
from dataclasses import dataclass

CODE = "holds Python code, which runs where it is loaded"

_CAN: tuple[tuple[str, str], ...] = (  # for messages only: the first pattern that fits
    (r"io\.gfile\.(rmtree|remove)|gfile\.(DeleteRecursively|Remove)", "deletes files"),
    (r"io\.gfile\.|gfile\.", "reads, writes and deletes files"),
    (
        r"(io\.)?(write_file|write_graph|save)|.*(SaveV2|WriteFile).*|summary\..*|.*save_(model|weights|img)",
        "writes files",
    ),
    (
        r"(io\.)?(read_file|matching_files|match_filenames_once)|data\..*|.*(ReadFile|MatchingFiles|Restore).*",
        "reads files",
    ),
    (r"(compat\.v1\.)?(py_func|py_function|numpy_function)|.*PyFunc.*|autograph\..*", "runs Python"),
    (
        r"(compat\.v1\.)?load_(op_)?library|load_file_system_library|experimental\.register_filesystem_plugin",
        "loads machine code",
    ),
    (
        r"saved_model\..*|.*load_(model|weights)|train\..*|.*TFSMLayer|.*model_from_\w+",
        "loads or writes models and files",
    ),
    (r".*(get_file|load_data|hf_hub|applications\.).*", "downloads files"),
    (r".*(dataset_from_directory|load_img|FeatureSpace)", "reads files"),
    (r"rpc_\w+|distribute\..*|data\.experimental\.service.*|config\.experimental_connect\w+", "uses the network"),
    (r"print|compat\.v1\.Print|.*PrintV2", "prints, into a file too"),
    (
        r".*(TorchModuleWrapper|JaxLayer|FlaxLayer|unsafe_deserialization|deserialize|Wrapper)",
        "makes objects of code in the file",
    ),
    (
        r"map_fn|while_loop|cond|scan|foldl|foldr|vectorized_map|.*custom_gradient|function",
        "runs functions that it is given",
    ),
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A name that no model needs: the layer (`where`), the call (`what`), and what the call can do (`can`).

    `trusted`: it may run if the user trusts the file, as functions of TensorFlow or Keras that are not in the list. A builder has to give Python code
    and imports from elsewhere. `missing`: Keras lacks it, and a builder can give it.
    """

    where: str
    what: str
    can: str
    trusted: bool
    missing: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f", which {self.can}" if self.can else "")


def known_for(name: str) -> str | None:
    """Return what a function is known to do, by its name; None for an unknown one."""
    return next(
        (
            said
            for pattern, said in _CAN
            if re.fullmatch(pattern if pattern.endswith(("*", "+")) else f"{pattern}.*", name)
        ),
        None,
    )
