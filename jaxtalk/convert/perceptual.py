"""Published networks behind perceptual losses and metrics to ours: VGG, AlexNet, FID's Inception and LPIPS.

| kind                      | source                                                                              |
|---------------------------|-------------------------------------------------------------------------------------|
| `vgg16` `vgg19` `alexnet` | torchvision's file: `vgg16-*.pth`, `vgg19-*.pth`, `alexnet-*.pth`                     |
| `inception`               | pytorch-fid's `pt_inception-2015-12-05-6726825d.pth`; torchvision's is refused        |
| `lpips_alex` `lpips_vgg`  | a folder with torchvision's AlexNet or VGG-16 and the heads that the lpips package   |
|                           | brings in `lpips/weights/v0.1/` (`alex.pth`, `vgg.pth`), under any names              |

Classifiers are left out. A file says by its arrays which network it holds. Heads of version 0.0 cannot be told from
those of 0.1 and give other figures.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.convert import pickles
from jaxtalk.convert.state_dict import Rule, batch_norm, convolution
from jaxtalk.convert.state_dict import convert as by_table
from jaxtalk.errors import InputError
from jaxtalk.io import weights
from jaxtalk.models import alexnet, inception, lpips, vgg

_TORCHVISION = "BSD-3-Clause (torchvision); trained on ImageNet"
_LPIPS = f"BSD-2-Clause (heads of LPIPS); backbone {_TORCHVISION}"
LICENCES = {
    "vgg16": _TORCHVISION,
    "vgg19": _TORCHVISION,
    "alexnet": _TORCHVISION,
    "inception": "Apache-2.0 (TensorFlow, pytorch-fid); trained on ImageNet",
    "lpips_alex": _LPIPS,
    "lpips_vgg": _LPIPS,
}


def _features(layers: tuple[str, ...], prefix: str = "") -> list[Rule]:
    """torchvision counts layers through, with ReLU and pooling."""
    rules = [Rule(r"classifier\..*", None)]
    for number, name in enumerate(layers):
        if name.startswith("conv"):
            rules += convolution(rf"features\.{number}", prefix + name)
    return rules


_HEAD = Rule(r"lin(\d)\.model\.1\.weight", r"params/head_\1", np.ravel)  # (1, channels, 1, 1)
TABLES = {
    "vgg16": _features(vgg.VGG16.layers),
    "vgg19": _features(vgg.VGG19.layers),
    "alexnet": _features(alexnet.LAYERS),
    "lpips_alex": [*_features(alexnet.LAYERS, "backbone/"), _HEAD],
    "lpips_vgg": [*_features(vgg.VGG16.layers, "backbone/"), _HEAD],
    "inception": [
        Rule(r"(AuxLogits|fc)\..*", None),
        *convolution(r"Conv2d_(\d\w)_\dx\d\.conv", r"stem_\1/conv", bias=False),
        *batch_norm(r"Conv2d_(\d\w)_\dx\d\.bn", r"stem_\1/norm"),
        *convolution(r"Mixed_(\d\w)\.(\w+)\.conv", r"mixed_\1/\2/conv", bias=False),
        *batch_norm(r"Mixed_(\d\w)\.(\w+)\.bn", r"mixed_\1/\2/norm"),
    ],
}


def convert(source: Path, destination: Path, kind: str | None = None) -> None:
    """Writes the network in `source` as weights of ours. InputError if it is none, damaged, or not of this `kind`."""
    source = Path(source)
    state = _folder(source) if source.is_dir() else _read(source)
    found = recognise(source, state)
    if kind not in (None, found):
        raise InputError(f"{source}: holds {found}, not {kind}; convert it as {found} or give another file")
    network, _ = model(found)
    made = weights.Weights(
        variables=variables(source, found, state),
        name=found,
        config=weights.config_values(network.config),
        licence=LICENCES[found],
        note=f"Converted from {source.name}.",
    )
    weights.save(destination, made)


def model(kind: str):
    """The network of a kind, and pictures of the least size with which all of it can be initialised."""
    networks = {
        "vgg16": (vgg.VGG(vgg.VGG16), 32),
        "vgg19": (vgg.VGG(vgg.VGG19), 32),
        "alexnet": (alexnet.AlexNet(), 63),
        "inception": (inception.Inception(), 75),
        "lpips_alex": (lpips.LPIPS(lpips.Config(backbone="alex")), 63),
        "lpips_vgg": (lpips.LPIPS(lpips.Config(backbone="vgg")), 32),
    }
    network, side = networks[kind]
    return network, jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32)


def variables(source: str | Path, kind: str, state: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Variables of `model(kind)` from a state dict. InputError lists every array that does not fit."""
    network, image = model(kind)
    return by_table(source, state, TABLES[kind], jax.eval_shape(network.init, jax.random.key(0), image))


def recognise(source: str | Path, state: Mapping[str, np.ndarray]) -> str:
    """The kind of network that a state dict belongs to. InputError if none."""
    if "Mixed_5b.branch1x1.conv.weight" in state:
        if "fc.weight" in state and len(state["fc.weight"]) == 1000:
            raise InputError(
                f"{source}: is torchvision's Inception, with which no FID can be compared; "
                "get pt_inception-2015-12-05-6726825d.pth of pytorch-fid"
            )
        return "inception"
    if "features.0.weight" in state:
        if state["features.0.weight"].shape[-1] == 11:
            name = "alexnet"
        else:
            name = "vgg19" if "features.34.weight" in state else "vgg16"
        if "lin0.model.1.weight" not in state:
            return name
        if name != "vgg19":
            return {"alexnet": "lpips_alex", "vgg16": "lpips_vgg"}[name]
        raise InputError(f"{source}: holds VGG-19, which LPIPS does not use; give VGG-16 or AlexNet of torchvision")
    if "lin0.model.1.weight" in state:
        raise InputError(f"{source}: holds only heads of LPIPS; give a folder with this file and its backbone")
    raise InputError(f"{source}: holds no VGG, AlexNet, FID Inception or LPIPS as published; get one of these")


def _folder(source: Path) -> dict[str, np.ndarray]:
    """A backbone and heads as one state dict."""
    states = [_read(path) for path in sorted(source.glob("*.pth"))]
    parts = [[s for s in states if name in s] for name in ("features.0.weight", "lin0.model.1.weight")]
    if [len(part) for part in parts] != [1, 1] or len(states) != 2:
        raise InputError(f"{source}: needs just two .pth files, one of a backbone and one of heads of LPIPS")
    return parts[0][0] | parts[1][0]


def _read(path: Path) -> dict[str, np.ndarray]:
    state = pickles.read(path)
    if not isinstance(state, dict) or not all(isinstance(value, np.ndarray) for value in state.values()):
        raise InputError(f"{path}: is no state dict of arrays; get it again")
    return dict(state)
