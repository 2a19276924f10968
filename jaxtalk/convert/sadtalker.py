"""Names of the published SadTalker networks (SadTalker_V0.0.2_{256,512}.safetensors, or the older .pth files)."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.convert.state_dict import Rule, batch_norm, convert, convolution, linear
from jaxtalk.models import audio2exp


def mel_encoder(name: str, path: str) -> list[Rule]:
    """The table of `jaxtalk.nn.mel_encoder.MelEncoder`, which Wav2Lip shares."""
    return [
        *convolution(rf"{name}\.(\d+)\.conv_block\.0", rf"{path}/layer_\1/conv"),
        *batch_norm(rf"{name}\.(\d+)\.conv_block\.1", rf"{path}/layer_\1/norm"),
    ]


AUDIO2EXP = [*mel_encoder("audio_encoder", "encoder"), *linear("mapping1", "mapping")]


def audio2exp_variables(source: str, state: Mapping[str, np.ndarray], config: audio2exp.Config):
    """ExpNet's variables from the part of the checkpoint under `audio2exp.`."""
    mel, reference = jnp.zeros((1, 80, 16)), jnp.zeros((1, config.coefficients))
    like = jax.eval_shape(audio2exp.ExpNet(config).init, jax.random.key(0), mel, reference, jnp.zeros(1))
    return convert(source, state, AUDIO2EXP, like)
