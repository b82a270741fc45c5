"""What the outputs of a .tflite end with, signature by signature."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from toolkit.engines.tflite.packed import PackedModel, operators_in
from toolkit.tensors.endings import Made, ending


def endings(path: Path) -> dict[str, dict[str, Any]]:
    """Return the JSON of an `Ending` by signature key ("" for a file without signatures) and by name of the output."""
    model = PackedModel.read(path.read_bytes())
    root = model.root
    found = {}
    for index in range(root.SignatureDefsLength()):
        definition = root.SignatureDefs(index)
        outputs = [definition.Outputs(place) for place in range(definition.OutputsLength())]
        reader = _Reader(model, root.Subgraphs(definition.SubgraphIndex()))
        named = {each.Name().decode(): each.TensorIndex() for each in outputs}
        found[definition.SignatureKey().decode()] = reader.endings(named)
    if not found and root.SubgraphsLength():
        graph = root.Subgraphs(0)
        places = [graph.Outputs(place) for place in range(graph.OutputsLength())]
        found[""] = _Reader(model, graph).endings({graph.Tensors(at).Name().decode(): at for at in places})
    return found


class _Reader:
    """One graph of a file."""

    def __init__(self, model: PackedModel, graph: Any) -> None:
        self._model, self._graph = model, graph
        self._makers = {
            operator.Outputs(position): (operator, position)
            for operator in operators_in(graph)
            for position in range(operator.OutputsLength())
        }

    def endings(self, outputs: dict[str, int]) -> dict[str, Any]:
        """Return the JSON of an `Ending` for each output, by name."""
        return {name: ending(self.made, index).to_json() for name, index in outputs.items()}

    def made(self, index: int) -> Made | None:
        """Return what makes a tensor."""
        if index not in self._makers:
            return None
        operator, position = self._makers[index]
        name = self._model.operator(operator)
        inputs = [operator.Inputs(place) for place in range(operator.InputsLength())]
        inputs = [each for each in inputs if each >= 0 and not self._is_constant(each)]
        joins_last = name == "CONCATENATION" and self._axis(operator) in (-1, self._rank(index) - 1)
        parts = tuple(self._last(each) for each in inputs) if joins_last else ()
        return Made(name, tuple(inputs), position, self._model.dtype(self._tensor(index)), joins_last, parts)

    def _tensor(self, index: int) -> Any:
        return self._graph.Tensors(index)

    def _is_constant(self, index: int) -> bool:
        """Return whether the file holds a tensor's values, plain or quantized."""
        if self._model.size_bytes(self._tensor(index)) > 0:
            return True
        if index not in self._makers:
            return False
        operator, _ = self._makers[index]
        name = self._model.operator(operator)
        return name == "DEQUANTIZE" and self._is_constant(operator.Inputs(0))

    def _rank(self, index: int) -> int:
        return int(self._tensor(index).ShapeLength())

    def _last(self, index: int) -> int:
        rank = self._rank(index)
        return int(self._tensor(index).Shape(rank - 1)) if rank else 1

    def _axis(self, operator: Any) -> int:
        options = self._model.schema.ConcatenationOptions()
        table = operator.BuiltinOptions()
        if table is None:
            return 0
        options.Init(table.Bytes, table.Pos)
        return int(options.Axis())
