"""face-vid2vid's networks as SadTalker draws with them, in PyTorch, for `sadtalker_networks.py` to be compared with.

Layers are named as in the published state dicts, so that `jaxtalk.convert.sadtalker_vid2vid` carries the weights over.
Spectral norm is folded already: the weights are plain, which only makes these quicker. `encode` and `draw` are apart,
which the published code does not know: it encodes the portrait for each frame.
"""

from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

CONV = {2: nn.Conv2d, 3: nn.Conv3d}
NORM = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
LAYOUT = {2: torch.channels_last, 3: torch.channels_last_3d}


def laid_out(x):
    """The array with channels last in memory, which is quicker on CPUs and, in half precision, on GPUs."""
    return x.contiguous(memory_format=LAYOUT[x.ndim - 2])


class Same(nn.Module):
    def __init__(self, axes, into, out, window=3, slope=0.0):
        super().__init__()
        self.conv, self.norm, self.slope = CONV[axes](into, out, window, 1, window // 2), NORM[axes](out), slope

    def forward(self, x):
        return F.leaky_relu(self.norm(self.conv(x)), self.slope) if self.slope else F.relu(self.norm(self.conv(x)))


class Down(Same):
    def forward(self, x):
        y = super().forward(x)
        return F.avg_pool2d(y, 2) if y.ndim == 4 else F.avg_pool3d(y, (1, 2, 2))


class Up(Same):
    def forward(self, x):
        factor = 2 if x.ndim == 4 else (1, 2, 2)
        return super().forward(F.interpolate(x, scale_factor=factor))


class ResBlock(nn.Module):
    def __init__(self, axes, width):
        super().__init__()
        for k in (1, 2):
            self.add_module(f"conv{k}", CONV[axes](width, width, 3, 1, 1))
            self.add_module(f"norm{k}", NORM[axes](width))

    def forward(self, x):
        y = self.conv1(F.relu(self.norm1(x)))
        return x + self.conv2(F.relu(self.norm2(y)))


def line(size, like):
    return torch.linspace(-1, 1, size, device=like.device)


def grid(depth, height, width, like):
    z, y, x = torch.meshgrid(line(depth, like), line(height, like), line(width, like), indexing="ij")
    return torch.stack([x, y, z], -1)


def sample(volume, places):
    return F.grid_sample(volume, places.to(volume.dtype), align_corners=False)


class KeypointDetector(nn.Module):
    def __init__(self, points=15, depth=16):
        super().__init__()
        widths = [32 << level for level in range(6)]
        downs = [(f"down{k}", Down(2, into, out)) for k, (into, out) in enumerate(zip([3, *widths[1:]], widths[1:]))]  # noqa: B905
        ups = [(f"up{k}", Up(3, widths[5 - k], widths[4 - k])) for k in range(5)]
        self.predictor = nn.ModuleDict({
            "down_blocks": nn.Sequential(OrderedDict(downs)),
            "conv": nn.Conv2d(widths[-1], widths[-1] * depth, 1),
            "up_blocks": nn.Sequential(OrderedDict(ups)),
        })  # fmt: skip
        self.kp, self.depth = nn.Conv3d(32, points, 3, 1, 1), depth
        blur = torch.exp(-(torch.arange(-6, 7.0) ** 2) / (2 * 1.5**2))
        self.register_buffer("blur", (blur[:, None] * blur / blur.sum() ** 2).expand(3, 1, 13, 13), persistent=False)

    def forward(self, image):
        x = F.conv2d(image, self.blur.to(image.dtype), stride=4, padding=6, groups=3)
        x = self.predictor["conv"](self.predictor["down_blocks"](x))
        x = laid_out(x.reshape(len(x), -1, self.depth, *x.shape[2:]))
        logits = self.kp(self.predictor["up_blocks"](x)).float() / 0.1
        heat = logits.flatten(2).softmax(2).reshape(logits.shape)
        places = [
            heat.sum(axes) @ line(heat.shape[axis], heat) for axis, axes in ((4, (2, 3)), (3, (2, 4)), (2, (3, 4)))
        ]
        return torch.stack(places, -1)


class Bottleneck(nn.Module):
    def __init__(self, width, stride=1):
        super().__init__()
        narrow = width // 4
        for k, (into, out, window, step) in enumerate(
            [(width, narrow, 1, 1), (narrow, narrow, 3, stride), (narrow, width, 1, 1)], 1
        ):
            self.add_module(f"conv{k}", nn.Conv2d(into, out, window, step, window // 2))
            self.add_module(f"norm{k}", nn.BatchNorm2d(out))
        self.strided = stride > 1
        if self.strided:
            self.skip, self.norm4 = nn.Conv2d(width, width, 1, stride), nn.BatchNorm2d(width)

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)))
        y = self.norm3(self.conv3(F.relu(self.norm2(self.conv2(y)))))
        return F.relu(y + (self.norm4(self.skip(x)) if self.strided else x))


class HeadPoseEstimator(nn.Module):
    def __init__(self, points=15, bins=66):
        super().__init__()
        sizes = [(3, 64, 7, 2), (64, 256, 1, 1), (256, 512, 1, 1), (512, 1024, 1, 1), (1024, 2048, 1, 1)]
        for k, (into, out, window, stride) in enumerate(sizes, 1):
            self.add_module(f"conv{k}", nn.Conv2d(into, out, window, stride, window // 2))
            self.add_module(f"norm{k}", nn.BatchNorm2d(out))
        for k, (width, blocks) in enumerate([(256, 3), (512, 3), (1024, 5), (2048, 2)]):
            if k:
                self.add_module(f"block{2 * k}", Bottleneck(width, 2))
            named = [(f"b{2 * k + 1}_{i}", Bottleneck(width)) for i in range(blocks)]
            self.add_module(f"block{2 * k + 1}", nn.Sequential(OrderedDict(named)))
        for name, size in {"roll": bins, "pitch": bins, "yaw": bins, "t": 3, "exp": 3 * points}.items():
            self.add_module(f"fc_{name}", nn.Linear(2048, size))

    def forward(self, image):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(image))), 3, 2, 1)
        for k in range(4):
            x = F.relu(getattr(self, f"norm{k + 2}")(getattr(self, f"conv{k + 2}")(x)))
            x = getattr(self, f"block{2 * k}")(x) if k else x
            x = getattr(self, f"block{2 * k + 1}")(x)
        x = x.mean((2, 3))
        # What fc_roll gives is used as yaw, and the other way round.
        return self.fc_roll(x), self.fc_pitch(x), self.fc_yaw(x), self.fc_t(x), self.fc_exp(x)


class Hourglass(nn.Module):
    def __init__(self, into, width=32, blocks=5):
        super().__init__()
        widths = [width << level for level in range(blocks + 1)]
        downs = [Down(3, a, b) for a, b in zip([into, *widths[1:]], widths[1:])]  # noqa: B905
        ups = [Up(3, (2 if k else 1) * widths[blocks - k], widths[blocks - 1 - k]) for k in range(blocks)]
        self.encoder = nn.ModuleDict({"down_blocks": nn.ModuleList(downs)})
        last = Same(3, width + into, width + into)
        self.decoder = nn.ModuleDict({"up_blocks": nn.ModuleList(ups), "conv": last.conv, "norm": last.norm})

    def forward(self, x):
        skips = []
        for down in self.encoder["down_blocks"]:
            skips.append(x)
            x = down(x)
        for up in self.decoder["up_blocks"]:
            x = torch.cat([up(x), skips.pop()], 1)
        return F.relu(self.decoder["norm"](self.decoder["conv"](x)))


class DenseMotion(nn.Module):
    def __init__(self, channels=32, depth=16, points=15, compressed=4):
        super().__init__()
        into = (points + 1) * (compressed + 1)
        self.compress, self.norm = nn.Conv3d(channels, compressed, 1), nn.BatchNorm3d(compressed)
        self.hourglass = Hourglass(into)
        self.mask = nn.Conv3d(into + 32, points + 1, 7, 1, 3)
        self.occlusion = nn.Conv2d((into + 32) * depth, 1, 7, 1, 3)

    def forward(self, volume, source, driving):
        b, _, *sizes = volume.shape
        identity = grid(*sizes, volume)
        shifts = F.pad(source - driving, (0, 0, 1, 0))  # [b, k + 1, 3]: first the background
        moved = identity + shifts[:, :, None, None, None]  # [b, k + 1, d, h, w, 3]
        small = F.relu(self.norm(self.compress(volume)))
        many = small[:, None].expand(-1, moved.shape[1], -1, -1, -1, -1).reshape(-1, *small.shape[1:])
        candidates = sample(many, moved.flatten(0, 1)).reshape(b, moved.shape[1], -1, *sizes)

        def gaussians(points):
            return torch.exp(-((identity - points[:, :, None, None, None]) ** 2).sum(-1) / 0.02)

        heat = F.pad(gaussians(driving) - gaussians(source), (0, 0, 0, 0, 0, 0, 1, 0)).to(volume.dtype)
        x = self.hourglass(laid_out(torch.cat([heat[:, :, None], candidates], 2).flatten(1, 2)))
        mask = self.mask(x).float().softmax(1)
        mask = torch.where(mask < 1e-3, 0.0, mask)
        places = torch.einsum("bkzyx,bkzyxc->bzyxc", mask, moved)
        return places, torch.sigmoid(self.occlusion(laid_out(x.flatten(1, 2))).float())


class Spade(nn.Module):
    def __init__(self, features, label=256, hidden=128):
        super().__init__()
        self.mlp_shared = nn.Sequential(nn.Conv2d(label, hidden, 3, 1, 1), nn.ReLU())
        self.mlp_gamma = nn.Conv2d(hidden, features, 3, 1, 1)
        self.mlp_beta = nn.Conv2d(hidden, features, 3, 1, 1)

    def forward(self, x, label):
        hidden = self.mlp_shared(F.interpolate(label, size=x.shape[2:]))
        return F.instance_norm(x) * (1 + self.mlp_gamma(hidden)) + self.mlp_beta(hidden)


class SpadeBlock(nn.Module):
    def __init__(self, into, out):
        super().__init__()
        middle = min(into, out)
        self.conv_0, self.conv_1 = nn.Conv2d(into, middle, 3, 1, 1), nn.Conv2d(middle, out, 3, 1, 1)
        self.norm_0, self.norm_1 = Spade(into), Spade(middle)
        self.learned = into != out
        if self.learned:
            self.conv_s, self.norm_s = nn.Conv2d(into, out, 1, bias=False), Spade(into)

    def forward(self, x, label):
        y = self.conv_0(F.leaky_relu(self.norm_0(x, label), 0.2))
        y = self.conv_1(F.leaky_relu(self.norm_1(y, label), 0.2))
        return y + (self.conv_s(self.norm_s(x, label)) if self.learned else x)


class Decoder(nn.Module):
    def __init__(self, width=64, middle=6):
        super().__init__()
        self.fc, self.conv_img = nn.Conv2d(4 * width, 8 * width, 3, 1, 1), nn.Conv2d(width, 3, 3, 1, 1)
        self.blocks = [f"G_middle_{k}" for k in range(middle)]
        for name in self.blocks:
            self.add_module(name, SpadeBlock(8 * width, 8 * width))
        self.up_0, self.up_1 = SpadeBlock(8 * width, 4 * width), SpadeBlock(4 * width, width)

    def forward(self, feature):
        x = self.fc(feature)
        for name in self.blocks:
            x = getattr(self, name)(x, feature)
        for block in (self.up_0, self.up_1):
            x = block(F.interpolate(x, scale_factor=2), feature)
        return torch.sigmoid(self.conv_img(F.leaky_relu(x, 0.2)).float())


class Generator(nn.Module):
    def __init__(self, width=64, depth=16):
        super().__init__()
        self.depth, channels = depth, 8 * width // depth
        self.first = Same(2, 3, width)
        self.down_blocks = nn.ModuleList([Down(2, width, 2 * width), Down(2, 2 * width, 4 * width)])
        self.second = nn.Conv2d(4 * width, 8 * width, 1)
        self.resblocks_3d = nn.Sequential(OrderedDict([(f"3dr{k}", ResBlock(3, channels)) for k in range(6)]))
        self.dense_motion_network = DenseMotion(channels, depth)
        self.third, self.fourth = Same(2, 8 * width, 4 * width, slope=0.01), nn.Conv2d(4 * width, 4 * width, 1)
        self.decoder = Decoder(width)

    def encode(self, image):
        x = self.first(image)
        for down in self.down_blocks:
            x = down(x)
        x = self.second(x)
        return self.resblocks_3d(laid_out(x.reshape(len(x), -1, self.depth, *x.shape[2:])))

    def draw(self, volume, source, driving):
        places, occlusion = self.dense_motion_network(volume, source, driving)
        x = laid_out(sample(volume, places).flatten(1, 2))
        feature = self.fourth(self.third(x))
        return self.decoder(feature * occlusion.to(feature.dtype))

    def forward(self, image, source, driving):
        return self.draw(self.encode(image), source, driving)
