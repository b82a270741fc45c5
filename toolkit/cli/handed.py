"""The options that describe a model in addition to its path."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

from toolkit.cli.help import MODEL, RUN
from toolkit.cli.option_groups import Option, Options, given_of, option
from toolkit.cli.reading import pairs_of, shapes_of, tensors_of
from toolkit.errors import RequestError, UnknownName

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from toolkit.source.original import Original


def _of_model(kind: Any, default: Any, *names: str, **said: Any) -> Option:
    return option(kind, default, *names, rich_help_panel=MODEL, **said)


class HandedValues(TypedDict):
    """The values of the options of `Handed`."""

    signature: list[str] | None
    shape: list[str] | None
    builder: str | None
    builder_arg: list[str] | None
    step: int | None
    inputs: list[str] | None
    outputs: list[str] | None
    bind: list[str] | None
    map: Path | None
    allow_unrestored: list[str] | None
    trust: bool


class Handed:
    """The description of the model in addition to its path; a call with the path returns the original.

    SEVERAL names the things that the verb takes more than one of: "signature", "shape".
    """

    SEVERAL: ClassVar[tuple[str, ...]] = ()
    OPTIONS: ClassVar[Options] = {
        "signature": _of_model(list[str] | None, None, "--signature", metavar="KEY", help="Which of the model's signatures."),
        "shape": _of_model(
            list[str] | None, None, "--shape",
            metavar="NAME=1,8,8",
            help="The shape of one call, where the model leaves sizes open; may be given again for another input.",
        ),
        "builder": _of_model(
            str | None, None, "--builder",
            metavar="MODULE:FUNCTION",
            help="Makes the model that a checkpoint or weights belong to: package.module:function or file.py:function.",
        ),
        "builder_arg": _of_model(
            list[str] | None, None, "--builder-arg", metavar="K=V", help="Given to the builder, as text; may be given again."
        ),
        "step": _of_model(int | None, None, "--step", metavar="N", help="Which checkpoint of a folder."),
        "inputs": _of_model(list[str] | None, None, "--inputs", metavar="NAME=TENSOR,...", help="Where a graph begins."),
        "outputs": _of_model(list[str] | None, None, "--outputs", metavar="NAME=TENSOR,...", help="Where a graph ends."),
        "bind": _of_model(
            list[str] | None, None, "--bind",
            metavar="NAME=VALUE",
            help="A placeholder's value, as keep_prob=1.0; may be given again.",
        ),
        "map": _of_model(
            Path | None, None, "--map", metavar="FILE", help='TOML: "variable" = "what the checkpoint calls it".'
        ),
        "allow_unrestored": _of_model(
            list[str] | None, None, "--allow-unrestored",
            metavar="PATTERN",
            help="Variables that may lack a value in the file; may be given again.",
        ),
        "trust": option(
            bool, False, "--trust",
            rich_help_panel=RUN,
            help="Let a model run what reaches for files, Python or the network, and run where nothing confines it.",
        ),
    }  # fmt: skip

    def __init__(self, **said: Unpack[HandedValues]) -> None:
        self._said = said

    @property
    def given(self) -> tuple[str, ...]:
        """The flags that were given."""
        return given_of(self.OPTIONS, self._said)

    def __call__(self, path: Path, device: str = "cpu") -> Original:
        """Return the original; RequestError for more signatures or shapes than the verb takes, UnknownName for an unknown device."""
        from toolkit.source.original import Original
        from toolkit.tensors.shapes import declared

        if device not in ("cpu", "gpu"):
            raise UnknownName("--reference-device", device, ("cpu", "gpu"))
        said = self._said
        keys, sizes = said["signature"] or [], declared(shapes_of(said["shape"]))
        for flag, count in (("signature", len(keys)), ("shape", len(sizes))):
            if count > 1 and flag not in self.SEVERAL:
                raise RequestError(f"--{flag}: {count} of them; this verb takes one")
        return Original(
            path,
            tuple(keys) if len(keys) > 1 else keys[0] if keys else None,
            sizes[0] if len(sizes) == 1 else {},
            builder=said["builder"],
            builder_args=pairs_of("--builder-arg", said["builder_arg"], "layers=3"),
            step=said["step"],
            inputs=tensors_of("--inputs", said["inputs"]),
            outputs=tensors_of("--outputs", said["outputs"]),
            bind=pairs_of("--bind", said["bind"], "keep_prob=1.0"),
            map=said["map"],
            allow_unrestored=tuple(said["allow_unrestored"] or ()),
            trust=said["trust"],
            device="gpu" if device == "gpu" else "cpu",
            sizes=sizes if len(sizes) > 1 else (),
        )


class HandedSizes(Handed):
    """The description of the model for a verb that takes several sizes."""

    SEVERAL: ClassVar[tuple[str, ...]] = ("shape",)
    OPTIONS: ClassVar[Options] = {
        **Handed.OPTIONS,
        "shape": _of_model(
            list[str] | None, None, "--shape",
            metavar="NAME=1,8,8",
            help="The shape of one call, where the model leaves sizes open; the same name again is another size.",
        ),
    }  # fmt: skip


class HandedSeveral(HandedSizes):
    """The description of the model for a verb that takes several sizes and several signatures."""

    SEVERAL: ClassVar[tuple[str, ...]] = ("signature", "shape")
    OPTIONS: ClassVar[Options] = {
        **HandedSizes.OPTIONS,
        "signature": _of_model(
            list[str] | None, None, "--signature",
            metavar="KEY",
            help="Which of the model's signatures; may be given again, and `all` is each of them.",
        ),
    }  # fmt: skip
