"""RBFIN: a face painted in from all that is known of it (Chen and Xiong, Acta Electronica Sinica 2025).

    warped reference (SFM), render, face without its mouth [h, w, 9] --U-Net--> face [h, w, 3]
    on its way up, at quarter, half and full size, MSAF adds the features of TMN of that size:

        m_k = relu(conv_k([x, features])),  k = 3, 5, 7 pixels            what is seen at each scale
        a = softmax over k of linear(means of the m_k)                    which scale each channel trusts
        y = x + sigma sigmoid(gate([x, m])) m,  m = sum_k a_k m_k

sigma is learned and starts at zero, or is fixed (the paper's table 5: 0, 1 and learned); the scales are its table 6.
The face is trained by L1, `jaxtalk.losses.correspondence`, VGG features and their Gram matrices
(`jaxtalk.losses.style`), and against a critic (`jaxtalk.losses.wasserstein`). The paper's text was not at hand: known
are the four inputs, MSAF's windows, weights by softmax, gate and sigma, and 37.7 million parameters; where MSAF sits,
what it is computed from, and all layers (38.0 million) are ours.
"""

import dataclasses
from collections.abc import Mapping
from typing import Literal

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jaxtalk.nn.conv import Conv
from jaxtalk.nn.unet import Contract, Expand


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    widths: tuple[int, ...] = (64, 128, 256, 512, 512, 512)
    """Of the U-Net at each size, from the picture's own, each half the one before; four at least."""
    scales: tuple[int, ...] = (3, 5, 7)
    """Windows of MSAF in pixels, odd."""
    sigma: float | None = None
    """How much MSAF adds; learned if None."""
    fusion: Literal["adaptive", "plain", "none"] = "adaptive"
    """MSAF; a convolution of 1 x 1 in its place; or no features of TMN (the paper's table 4)."""
    dtype: DTypeLike = jnp.float32


class FusionNet(nn.Module):
    config: Config = Config()

    @nn.compact
    def __call__(
        self,
        warped: Float[Array, "b h w 3"],
        render: Float[Array, "b h w 3"],
        cropped: Float[Array, "b h w 3"],
        features: Mapping[str, Float[Array, "b _ _ _"]],
    ) -> tuple[Float[Array, "b h w 3"], dict[str, Array]]:
        """A face from 0 to 1, float32; aux has what MSAF trusts [b, scales, c]: `trust_0`, `trust_1`, `trust_2`.

        `features` is the aux of `jaxtalk.models.dub_motion`: `features_0`, `features_1`, `features_2`.
        """
        c, aux = self.config, {}
        given = 2 * jnp.concatenate([warped, render, cropped], -1) - 1
        *skips, x = Contract(c.widths, c.dtype, name="down")(given)
        for k, skip in reversed(list(enumerate(skips))):
            x = Expand(c.widths[k], c.dtype, name=f"up_{k}")(x, skip)
            if k < 3 and c.fusion == "adaptive":
                fused = Fusion(c.scales, c.sigma, c.dtype, name=f"fuse_{k}")
                x, aux[f"trust_{k}"] = fused(x, features[f"features_{k}"])
            elif k < 3 and c.fusion == "plain":
                both = jnp.concatenate([x, features[f"features_{k}"].astype(x.dtype)], -1)
                x = nn.relu(Conv(c.widths[k], (1, 1), dtype=c.dtype, name=f"fuse_{k}")(both))
        x = Conv(3, (3, 3), padding=1, dtype=c.dtype, name="out")(x)
        return nn.sigmoid(x.astype(jnp.float32)), aux


class Fusion(nn.Module):
    """MSAF, as above; also each scale's weight [b, scales, c]."""

    scales: tuple[int, ...]
    sigma: float | None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], features: Float[Array, "b h w d"]
    ) -> tuple[Float[Array, "b h w c"], Float[Array, "b k c"]]:
        width = x.shape[-1]
        both = jnp.concatenate([x, features.astype(x.dtype)], -1)
        both = Conv(width, (1, 1), dtype=self.dtype, name="squeeze")(both)
        seen = [
            nn.relu(Conv(width, (k, k), padding=k // 2, dtype=self.dtype, name=f"scale_{k}")(both)) for k in self.scales
        ]
        means = jnp.stack([m.astype(jnp.float32).mean((1, 2)) for m in seen], 1)  # b k c
        logits = nn.Dense(len(self.scales) * width, name="trust")(means.reshape(len(x), -1))
        trust = nn.softmax(logits.reshape(means.shape), axis=1)
        mixed = sum(a[:, None, None].astype(m.dtype) * m for a, m in zip(jnp.moveaxis(trust, 1, 0), seen, strict=True))
        gate = Conv(width, (3, 3), padding=1, dtype=self.dtype, name="gate")(jnp.concatenate([x, mixed], -1))
        sigma = self.sigma
        if sigma is None:
            sigma = self.param("sigma", nn.initializers.zeros, (), jnp.float32).astype(self.dtype)
        return x + sigma * nn.sigmoid(gate) * mixed, trust
