"""The input and output of a model file called as its user calls them."""

from __future__ import annotations

import onnx

from networks.export.exported import Exported


def renamed(exported: Exported, *, input_name: str, output_name: str) -> Exported:
    """An exported network with other names of its input and output; a name that is taken within it is left out.

    Args:
        exported: Not changed.
        input_name: Wanted.
        output_name: Wanted.
    """
    model = onnx.ModelProto()
    model.CopyFrom(exported.model)
    graph = model.graph
    taken = {value for node in graph.node for value in (*node.input, *node.output)}
    for value, wanted in ((graph.input[0], input_name), (graph.output[0], output_name)):
        if wanted in taken or not wanted:
            continue
        for node in graph.node:
            for names in (node.input, node.output):
                for place, name in enumerate(names):
                    if name == value.name:
                        names[place] = wanted
        value.name = wanted
        taken.add(wanted)
    return Exported(model=model, kernels=exported.kernels)
