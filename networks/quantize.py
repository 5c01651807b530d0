"""Put a precision policy on a module in place: one built here, or a user's own with nn.Conv2d and nn.Linear layers."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from design.precision import Precision, PrecisionPolicy
from networks.errors import InvalidPolicy
from networks.layers import Quantized, QuantizedConv2d, QuantizedLinear
from networks.network import Network
from networks.quantizers.binary import BinaryWeights
from networks.quantizers.options import QuantizerOptions
from networks.quantizers.uniform import UniformWeights

DEFAULT = QuantizerOptions()


_HOOKS = (
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_backward_pre_hooks",
    "_backward_hooks",
    "_is_full_backward_hook",
)
"""Of a module in torch: what is called when it runs, which a layer that takes its place goes on calling."""


def quantize_(module: nn.Module, policy: PrecisionPolicy, *, options: QuantizerOptions = DEFAULT) -> None:
    """Quantize a module in place. Doing it twice is doing it once: what has been learned stays.

    A built network takes a policy that names exactly its layers with weights, and keeps the options it was built
    with. Of any other module, the policy names convolutions and linear layers (`named_modules`), the rest stays as it
    is; latent weights are the same parameters as before, so an optimizer that holds them goes on. Whether a layer
    reads negative values is seen in its first batch; binary activations have a learned shift, which starts at the
    mean where there are none. A layer that stands in several places is replaced in all of them, whichever of its names
    the policy has. Hooks on layers stay.

    Args:
        module: Changed.
        policy: Layer -> precision. `residual_bits` under 32 need a built network: sums of others are no modules.
        options: Which quantizers (of a module not built here).

    Raises:
        InvalidPolicy: A name that is unknown or not a convolution or linear layer, two precisions of one layer, or
            residual bits that cannot be kept; nothing has changed then.
    """
    if isinstance(module, Network):
        module.set_policy(policy)
        return
    if policy.residual_bits != 32:
        raise InvalidPolicy(
            "residual_bits must be 32 for a module that was not built from a design",
            str(policy.residual_bits),
            "Trace the module to an architecture and build it.",
        )
    found: dict[nn.Conv2d | nn.Linear, Precision] = {}
    for name, precision in policy.layers.items():
        layer = _quantizable(module, name)
        if found.setdefault(layer, precision) != precision:
            raise InvalidPolicy(
                "a layer with several names must have one precision",
                f"{precision} of {name!r}, and {found[layer]}",
                "Name it once, or give all its names the same precision.",
            )
    new = {layer: layer if isinstance(layer, Quantized) else _like(layer) for layer in found}
    _replace(module, new)
    for layer, precision in found.items():
        own = new[layer]
        assert isinstance(own, Quantized)
        own.quantize(precision, options, unsigned=None)


def clip_latent_(module: nn.Module) -> None:
    """Clip the latent weights of binary (and fixed-level k-bit) layers to [-1, 1]; call it after each step."""
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, Quantized) and isinstance(part.weight_quantizer, BinaryWeights | UniformWeights):
                part.weight.clamp_(-1, 1)


def _quantizable(module: nn.Module, name: str) -> nn.Conv2d | nn.Linear:
    """The layer of that name in a user's module."""
    named = dict(module.named_modules(remove_duplicate=False))
    layer = named.get(name)
    if name and type(layer) in (nn.Conv2d, nn.Linear, QuantizedConv2d, QuantizedLinear):
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        computed = next((own for own in ("weight", "bias") if not _is_stored(layer, own)), None)
        if computed is not None:
            raise InvalidPolicy(
                f"a layer to quantize must have its {computed} as a parameter",
                f"{name!r}, whose {computed} is computed before each use",
                "Make it permanent first (torch.nn.utils.prune.remove, remove_spectral_norm, remove_weight_norm).",
            )
        return layer
    known = [key for key, one in named.items() if key and isinstance(one, nn.Conv2d | nn.Linear)]
    got = f"{name!r}, a {type(layer).__name__}" if name and layer is not None else repr(name)
    raise InvalidPolicy(
        "a policy must name nn.Conv2d and nn.Linear layers within the module", f"{got} (there are {known[:10]})"
    )


def _is_stored(layer: nn.Conv2d | nn.Linear, name: str) -> bool:
    """Whether the weight or bias of a layer is a parameter, or not there."""
    own = getattr(layer, name)
    return own is None or isinstance(own, nn.Parameter)


def _replace(module: nn.Module, new: Mapping[nn.Conv2d | nn.Linear, nn.Module]) -> None:
    """Put each layer's replacement wherever the layer stands, under every name.

    `nn.TransformerEncoderLayer` in evaluation without gradients computes with the weights of its linear layers and
    never calls them, unless its activation is marked as one that its fused kernel does not know.
    """
    for parent in list(module.modules()):
        for name, child in list(parent._modules.items()):
            if isinstance(child, nn.Conv2d | nn.Linear) and child in new:
                setattr(parent, name, new[child])
                if isinstance(parent, nn.TransformerEncoderLayer):
                    parent.activation_relu_or_gelu = 0


def _like(layer: nn.Conv2d | nn.Linear) -> QuantizedConv2d | QuantizedLinear:
    """A quantizable layer with the same parameters and settings."""
    bias = layer.bias is not None
    new: QuantizedConv2d | QuantizedLinear
    if isinstance(layer, nn.Conv2d):
        new = QuantizedConv2d(
            layer.in_channels,
            layer.out_channels,
            layer.kernel_size,
            stride=layer.stride,
            padding=layer.padding,
            dilation=layer.dilation,
            groups=layer.groups,
            bias=bias,
            padding_mode=layer.padding_mode,
            device="meta",
        )
    else:
        new = QuantizedLinear(layer.in_features, layer.out_features, bias=bias, device="meta")
    new.weight = layer.weight
    new.bias = layer.bias
    for hooks in _HOOKS:
        setattr(new, hooks, getattr(layer, hooks))  # the same dictionaries: what removes a hook still does
    return new.train(layer.training)
