"""SadTalker's other networks in PyTorch, for `sadtalker_networks.py` to be compared with; names as published."""

from collections import OrderedDict

import torch
import torchvision
from torch import nn
from torch.nn import functional as F  # noqa: N812

from jaxtalk.nn import mel_encoder


class NormedConv(nn.Module):
    def __init__(self, into, out, window, stride, padding, residual):
        super().__init__()
        self.conv_block = nn.Sequential(nn.Conv2d(into, out, window, stride, padding), nn.BatchNorm2d(out))
        self.residual = residual

    def forward(self, x):
        y = self.conv_block(x)
        return F.relu(y + x if self.residual else y)


class ExpNet(nn.Module):
    def __init__(self, coefficients=64, width=32):
        super().__init__()
        widths = [1, *(width * units for units, *_ in mel_encoder.LAYERS)]
        layers = zip(widths, widths[1:], mel_encoder.LAYERS)  # noqa: B905
        self.audio_encoder = nn.Sequential(*(NormedConv(into, out, *rest[1:]) for into, out, rest in layers))
        self.mapping1 = nn.Linear(widths[-1] + coefficients + 1, coefficients)

    def forward(self, mel, reference, blink):
        """[b, t, 80, 16], [b, t, e], [b, t]"""
        sound = self.audio_encoder(mel.flatten(0, 1)[:, None]).reshape(*mel.shape[:2], -1)
        return self.mapping1(torch.cat([sound, reference, blink[..., None]], -1))


class MappingNet(nn.Module):
    """Windows of 27 frames, as the published one is called: [b, c, 27]."""

    def __init__(self, coefficients=70, width=1024, points=15, bins=66):
        super().__init__()
        self.first = nn.Sequential(nn.Conv1d(coefficients, width, 7))
        for k in range(3):
            layer = nn.Sequential(nn.LeakyReLU(0.1), nn.Conv1d(width, width, 3, dilation=3))
            self.add_module(f"encoder{k}", layer)
        for name, size in {"roll": bins, "pitch": bins, "yaw": bins, "t": 3, "exp": 3 * points}.items():
            self.add_module(f"fc_{name}", nn.Linear(width, size))

    def forward(self, x):
        x = self.first(x)
        for k in range(3):
            x = getattr(self, f"encoder{k}")(x) + x[..., 3:-3]
        x = x.mean(2)
        return self.fc_yaw(x), self.fc_pitch(x), self.fc_roll(x), self.fc_t(x), self.fc_exp(x)


class FaceRecon(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = torchvision.models.resnet50()
        del self.backbone.fc
        self.final_layers = nn.ModuleList([nn.Conv2d(2048, n, 1) for n in (80, 64, 80, 3, 27, 2, 1)])

    def forward(self, x):
        net = self.backbone
        x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
        x = net.layer4(net.layer3(net.layer2(net.layer1(x)))).mean((2, 3), keepdim=True)
        return torch.cat([layer(x) for layer in self.final_layers], 1).flatten(1)


class Residual(nn.Module):
    def __init__(self, into, out, stride):
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.BatchNorm2d(into), nn.ReLU(), nn.Conv2d(into, out, 3, (stride, 1), 1),
            nn.BatchNorm2d(out), nn.ReLU(), nn.Conv2d(out, out, 3, 1, 1),
        )  # fmt: skip
        self.conv_skip = nn.Sequential(nn.Conv2d(into, out, 3, (stride, 1), 1), nn.BatchNorm2d(out))

    def forward(self, x):
        return self.conv_block(x) + self.conv_skip(x)


class Upsample(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.upsample = nn.ConvTranspose2d(width, width, (2, 1), (2, 1))

    def forward(self, x):
        return self.upsample(x)


class UNet(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        w = width
        self.input_layer = nn.Sequential(
            nn.Conv2d(1, w, 3, 1, 1), nn.BatchNorm2d(w), nn.ReLU(), nn.Conv2d(w, w, 3, 1, 1)
        )
        self.input_skip = nn.Sequential(nn.Conv2d(1, w, 3, 1, 1))
        self.residual_conv_1, self.residual_conv_2 = Residual(w, 2 * w, 2), Residual(2 * w, 4 * w, 2)
        self.bridge = Residual(4 * w, 8 * w, 2)
        for k, size in enumerate((8 * w, 4 * w, 2 * w), 1):
            self.add_module(f"upsample_{k}", Upsample(size))
            self.add_module(f"up_residual_conv{k}", Residual(size + size // 2, size // 2, 1))
        self.output_layer = nn.Sequential(nn.Conv2d(w, 1, 1), nn.Sigmoid())

    def forward(self, x):
        skips = [self.input_layer(x) + self.input_skip(x)]
        skips.append(self.residual_conv_1(skips[-1]))
        skips.append(self.residual_conv_2(skips[-1]))
        y = self.bridge(skips[-1])
        for k in (1, 2, 3):
            y = torch.cat([getattr(self, f"upsample_{k}")(y), skips.pop()], 1)
            y = getattr(self, f"up_residual_conv{k}")(y)
        return self.output_layer(y)


class PoseDecoder(nn.Module):
    """The decoder of PoseVAE on embeddings of sound [b, 32, 512]; style 0 for all."""

    def __init__(self, sequence=32, latent=64, width=32, styles=46):
        super().__init__()
        self.classbias = nn.Parameter(torch.randn(styles, latent))
        self.linear_audio, self.pose_linear, self.resunet = nn.Linear(16 * width, 6), nn.Linear(6, 6), UNet(width)
        hidden = nn.Linear(6 + latent + 6 * sequence, 4 * width)
        self.MLP = nn.ModuleDict(OrderedDict(L0=hidden, L1=nn.Linear(4 * width, 6 * sequence)))

    def forward(self, sound, reference, z):
        heard = self.linear_audio(sound).flatten(1)
        plan = F.relu(self.MLP["L0"](torch.cat([reference, z + self.classbias[0], heard], 1)))
        plan = torch.sigmoid(self.MLP["L1"](plan)).reshape(len(z), 1, -1, 6)
        return self.pose_linear(self.resunet(plan)[:, 0])
