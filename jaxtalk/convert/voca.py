"""VOCA's TensorFlow checkpoint to weights of ours: `jaxtalk convert voca gstep_52280.model FILE`.

The name stands for two files, `gstep_52280.model.index` and `.data-00000-of-00001`; either of them may be given, too.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.convert import tensorflow1
from jaxtalk.convert.state_dict import Rule
from jaxtalk.convert.state_dict import convert as by_table
from jaxtalk.errors import InputError
from jaxtalk.io import weights
from jaxtalk.models.voca import Config, Voca

LICENCE = "VOCA's own (Max Planck Society): for research only, not to be passed on"
_ENCODER, _EXPRESSION = "VOCA/SpeechEncoder", "VOCA/ExpressionLayer"


def _linear(name: str, path: str) -> list[Rule]:
    """Theirs are laid out as ours."""
    return [Rule(rf"{name}/weights", f"params/{path}/kernel"), Rule(rf"{name}/biases", f"params/{path}/bias")]


TABLE = [
    Rule(rf"{_ENCODER}/batch_norm/gamma", "params/norm/scale"),
    Rule(rf"{_ENCODER}/batch_norm/beta", "params/norm/bias"),
    Rule(rf"{_ENCODER}/batch_norm/moving_mean", "batch_stats/norm/mean"),
    Rule(rf"{_ENCODER}/batch_norm/moving_variance", "batch_stats/norm/var"),
    *(
        rule
        for k in range(4)
        for rule in (  # (window, 1, in, out)
            Rule(rf"{_ENCODER}/conv{k + 1}/weights", f"params/conv_{k}/kernel", lambda w: w[:, 0]),
            Rule(rf"{_ENCODER}/conv{k + 1}/biases", f"params/conv_{k}/bias"),
        )
    ),
    *_linear(f"{_ENCODER}/fc1", "widen"),
    *_linear(f"{_ENCODER}/fc2", "narrow"),
    *_linear(f"{_EXPRESSION}/expression_offset", "basis"),
    Rule(r".*/Adam(_1)?|VOCA/global_step|VOCA/beta\d_power", None),
]


def convert(source: Path, destination: Path) -> None:
    """Writes the network. InputError if the checkpoint is none of VOCA, or damaged."""
    state = tensorflow1.read(source, "VOCA/")
    if not state:
        raise InputError(f"{source}: holds no variables of VOCA; give its gstep_*.model")
    made, config = variables(source, state)
    note = f"Converted from {Path(source).name}, a checkpoint of VOCA (Cudeiro et al., CVPR 2019)."
    values = weights.config_values(config)
    weights.save(destination, weights.Weights(variables=made, name="voca", config=values, licence=LICENCE, note=note))


def variables(source: str | Path, state: Mapping[str, np.ndarray]) -> tuple[dict[str, Any], Config]:
    """Those of `voca.Voca`. InputError lists every array that does not fit."""
    kernel = [state.get(f"{_ENCODER}/{name}/weights", np.zeros((0,) * 4)).shape for name in ("conv1", "fc1", "fc2")]
    usual = Config()
    expression, coordinates = np.shape(state.get(f"{_EXPRESSION}/expression_offset/weights", np.zeros((50, 15069))))
    config = Config(
        coordinates=coordinates, hidden=kernel[1][-1] or usual.hidden, expression=expression,
        widths=tuple(len(state.get(f"{_ENCODER}/conv{k + 1}/biases", [0] * w)) for k, w in enumerate(usual.widths)),
        styles=max(1, kernel[1][0] - _flat(state, usual)) if kernel[1][0] else usual.styles,
    )  # fmt: skip
    features = max(1, kernel[0][2] - config.styles) if kernel[0][2] else 29
    given = jnp.zeros((1, config.window, features)), jnp.zeros((1, config.styles))
    like = jax.eval_shape(Voca(config).init, jax.random.key(0), *given)
    return by_table(source, state, TABLE, like), config


def _flat(state, usual: Config) -> int:
    """Units of the last convolution, whose windows of 16 are a single moment."""
    return len(state.get(f"{_ENCODER}/conv4/biases", [0] * usual.widths[-1]))
