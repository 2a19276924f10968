"""CodeTalker and FaceFormer in PyTorch as they are published: every frame computes all frames so far anew.

For `mesh_speed.py` to be compared with; parameters are ours, by their paths. Speech comes as rows that were heard, so
the speech encoder, which runs once a clip, is on neither side. A clip is [t, ...], without a batch.
"""

import math
import os

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812


class Side:
    """A network with handed parameters (`params/...`, `prior/...`), rows of speech and a style."""

    def __init__(self, kind: str, given, config: dict):
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        self.kind, self.config = kind, config
        arrays = {key: torch.from_numpy(np.array(value)) for key, value in np.load(given).items()}
        self.p = {key.removeprefix("params/"): x for key, x in arrays.items() if key.startswith("params/")}
        self.prior = {key.removeprefix("prior/"): x for key, x in arrays.items() if key.startswith("prior/")}
        self.rows, self.style = arrays["rows"], arrays["style"]

    @torch.inference_mode()
    def run(self) -> np.ndarray:
        """Motion [t, 3 v]."""
        frames = len(self.rows) // self.config["moments"]
        memory, styled = linear(self.p, "decoder/hear", self.rows), self.style @ self.p["decoder/styles"]
        place, fall, own = self.tables(frames)
        x = styled[None]
        for t in range(1, frames + 1):
            y = x + place[:t]
            for k in range(self.config["layers"]):
                y = self.layer(f"decoder/decoder/layer_{k}", y, memory, fall[:, :t, :t], own[:t])
            motion = linear(self.p, "write", y) if self.kind == "faceformer" else self.decoded(y)
            x = torch.cat([x, linear(self.p, "decoder/read", motion[-1:]) + styled])
        return motion.numpy()

    def tables(self, frames: int):
        """Encodings of places [t, d], biases among frames [h, t, t], and which rows a frame hears [t, n]."""
        width, period, heads = (self.config[name] for name in ("width", "period", "heads"))
        rate = torch.exp(torch.arange(0, width, 2) * (-math.log(10000) / width))
        angle = (torch.arange(frames) % period)[:, None] * rate
        place = torch.stack([torch.sin(angle), torch.cos(angle)], -1).reshape(frames, -1)
        apart = torch.arange(frames)[:, None] - torch.arange(frames)
        slopes = 2.0 ** (-8 / heads * torch.arange(1, heads + 1))
        fall = -slopes[:, None, None] * torch.div(apart, period, rounding_mode="floor")
        fall = fall.masked_fill(apart < 0, -torch.inf)
        row = torch.arange(frames * self.config["moments"]) // self.config["moments"]
        own = torch.zeros(frames, len(row)).masked_fill(row != torch.arange(frames)[:, None], -torch.inf)
        return place, fall, own[None]

    def layer(self, name: str, x, memory, fall, own):
        x = norm(self.p, f"{name}/attention_norm", x + attention(self.p, f"{name}/attention", x, x, fall))
        heard = attention(self.p, f"{name}/hearing", x, memory, own.expand(self.config["heads"], -1, -1)[:, : len(x)])
        x = norm(self.p, f"{name}/hearing_norm", x + heard)
        hidden = F.relu(linear(self.p, f"{name}/widen", x))
        return norm(self.p, f"{name}/feed_forward_norm", x + linear(self.p, f"{name}/narrow", hidden))

    def decoded(self, x):
        """Features of all frames, their nearest codes, and the motion that the prior makes of these."""
        features = (x @ self.p["features/kernel"]).reshape(-1, self.config["code_width"])
        codes = self.prior["codebook/codes"]
        far = (features**2).sum(1, keepdim=True) + (codes**2).sum(1) - 2 * features @ codes.T
        return prior(self.prior, codes[far.argmin(1)].reshape(len(x), -1), self.config)


def prior(p: dict, codes, config: dict):
    """CodeTalker's motion prior, back to motion."""
    padded = F.pad(codes.T[None], (2, 2), mode="replicate")
    weight = p["decoder/smooth/conv/kernel"].permute(2, 1, 0)
    x = F.leaky_relu(F.conv1d(padded, weight, p["decoder/smooth/conv/bias"]), 0.2)
    mean, variance = x.mean(2, keepdim=True), x.var(2, correction=0, keepdim=True)  # F.instance_norm takes no one frame
    x = linear(p, "decoder/embed", ((x - mean) / torch.sqrt(variance + 1e-5))[0].T)
    x = x + torch.arange(x.shape[1]) % 2
    nothing = torch.zeros(config["prior_heads"], 1, 1)
    for k in range(config["prior_layers"]):
        name = f"decoder/transformer/layer_{k}"
        y = norm(p, f"{name}/attention_norm", x)
        x = x + attention(p, f"{name}/attention", y, y, nothing)
        hidden = F.gelu(linear(p, f"{name}/widen", norm(p, f"{name}/feed_forward_norm", x)), approximate="tanh")
        x = x + linear(p, f"{name}/narrow", hidden)
    return linear(p, "decoder/write", x)


def attention(p: dict, name: str, asking, x, mask):
    """`mask` [heads, q, k] is added to the scores."""
    heads = len(mask)
    query, key, value = (
        linear(p, f"{name}/{part}", given).reshape(len(given), heads, -1).transpose(0, 1)
        for part, given in (("query", asking), ("key", x), ("value", x))
    )
    weights = torch.softmax(query @ key.transpose(1, 2) / math.sqrt(query.shape[-1]) + mask, -1)
    return linear(p, f"{name}/out", (weights @ value).transpose(0, 1).reshape(len(asking), -1))


def linear(p: dict, name: str, x):
    y = x @ p[f"{name}/kernel"]
    return y + p[f"{name}/bias"] if f"{name}/bias" in p else y


def norm(p: dict, name: str, x):
    return F.layer_norm(x, x.shape[-1:], p[f"{name}/scale"], p[f"{name}/bias"], 1e-5)
