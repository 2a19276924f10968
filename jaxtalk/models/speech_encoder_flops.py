"""How many floating-point operations speech encoders take, counted on paper: two for each product that is added up.

Only products of matrices and convolutions count, of one utterance of so many samples. Norms, softmax, gelu and the
optimiser are left out: a per cent or two, and not what chips are rated by. A gradient takes two products for each of
the network's own, one for what came in and one for the kernel; only the wave needs no gradient.
"""

import dataclasses

from jaxtalk.models.hubert_pretrain import Config as HubertConfig
from jaxtalk.models.speech_encoder import Config
from jaxtalk.models.wav2vec2_pretrain import Config as Wav2Vec2Config


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flops:
    """Of one utterance, forward."""

    first: int  # convolution, whose input is the wave
    convolutions: int  # all others of the feature encoder
    position: int  # positional convolution
    projections: int  # into and out of the transformer
    narrow: int  # of all transformer layers, as are the next two
    other_products: int
    attention: int  # weights, and sums by them

    @property
    def forward(self) -> int:
        return sum(dataclasses.astuple(self))

    @property
    def train(self) -> int:
        """Forward and backward, nothing computed twice: what "model FLOPs" means."""
        return 3 * self.forward - self.first

    def executed(self, config: Config) -> int:
        """`train` and what `config.remat` computes again."""
        again = 0
        if config.remat != "nothing":
            again += self.attention
        if config.remat == "layers":  # without what only the layer's own output needs
            again += self.other_products + (0 if config.norm_first else self.narrow)
        return self.train + again


def encoder(config: Config, samples: int) -> Flops:
    """Of `SpeechEncoder`."""
    c, convolutions, length, channels = config, [], samples, 1
    for width, window, stride in zip(c.conv_widths, c.conv_windows, c.conv_strides, strict=True):
        length = (length - window) // stride + 1
        convolutions.append(2 * length * window * channels * width)
        channels = width
    t, d = length, c.width
    return Flops(
        first=convolutions[0],
        convolutions=sum(convolutions[1:]),
        position=2 * _taps(t, c.position_window) * (d // c.position_groups) * d,
        projections=2 * t * channels * d,
        narrow=2 * c.layers * t * c.hidden * d,
        other_products=2 * c.layers * t * (4 * d * d + d * c.hidden),
        attention=2 * c.layers * 2 * t * t * d,
    )


def hubert(config: HubertConfig, samples: int) -> Flops:
    """Of HuBERT in pretraining: the encoder, and the comparison of each frame with each cluster."""
    found = encoder(config.encoder, samples)
    heard = config.encoder.frames(samples) * config.width * (config.encoder.width + config.clusters)
    return dataclasses.replace(found, projections=found.projections + 2 * heard)


def wav2vec2(config: Wav2Vec2Config, samples: int) -> Flops:
    """Of wav2vec 2.0 in pretraining: the encoder, the quantiser, and the cosines of all contexts with all codes."""
    c, found, t = config, encoder(config.encoder, samples), config.encoder.frames(samples)
    choices = c.groups * c.entries
    quantised = c.encoder.conv_widths[-1] * choices + c.entries * c.code_width + c.code_width * c.width
    heard = t * (c.encoder.width * c.width + quantised + t * c.width)
    return dataclasses.replace(found, projections=found.projections + 2 * heard)


def _taps(length: int, window: int) -> int:
    """How many taps of the positional convolution's `length + 1` outputs meet a frame, none of its padding."""
    shifts = [tap - window // 2 for tap in range(window)]
    return sum(max(0, length - shift if shift >= 0 else min(length + 1 + shift, length)) for shift in shifts)
