"""What a configuration of Keras names and may not, with what people know that for."""

from __future__ import annotations

import re
from dataclasses import dataclass

CODE = "holds Python code, which runs where it is loaded"

_CAN: tuple[tuple[str, str], ...] = (  # the first that fits tells, for people; nothing is decided by it
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
    """What a configuration names that no model needs: in which layer, what it would call, what that can do.

    `trusted` is whether it runs where the user trusts the file: functions of TensorFlow or Keras that are not in the list. Python code, and
    what would be imported from elsewhere, is a builder's to give.
    """

    where: str
    what: str
    can: str
    trusted: bool
    missing: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f", which {self.can}" if self.can else "")


def known_for(name: str) -> str | None:
    """Return what people know a function for, by its name."""
    return next(
        (
            said
            for pattern, said in _CAN
            if re.fullmatch(pattern if pattern.endswith(("*", "+")) else f"{pattern}.*", name)
        ),
        None,
    )
