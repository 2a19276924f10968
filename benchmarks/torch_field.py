"""Radiance fields and their compositing in plain PyTorch, for `volume.py` to be compared with.

Parameters are ours, in a flat dictionary by path; samples are handed over. So no marching is here, and nothing pays for
samples that are not there: what is asked for is picked by a mask.

`planes` reads each feature of a grid by itself, with indices of 32 bits. Of the ways to sum up corners that were tried
(`index_select` of rows, the same for all corners at once, `embedding`, `embedding_bag`, planes) it is the quickest with
its gradient, 1.3 to 1.6 times as fast as rows; forward alone `embedding_bag` is a little quicker, but wants all corners
side by side. Without `planes` rows are read by `index_select`, as one writes it first. The row of a corner is found by
masks, not by remainders, which take longer.
"""

import functools
import itertools
import os

import numpy as np
import torch
from torch.nn.functional import pad

from jaxtalk.render import grid_encoding

PRIMES = (1, 2654435761 - 2**32, 805459861)  # as 32 bits with a sign: products wrap alike


class Grid:
    """Features of points from a table. Resolutions, strides and masks are our numbers; the arithmetic is PyTorch's."""

    def __init__(self, config: grid_encoding.Config, planes: bool):
        self.config, self.levels, self.planes = config, grid_encoding._levels(config), planes

    def __call__(self, table, points):
        """`table` [r f], `points` [n d] in [-1, 1]."""
        unit, features = (points + 1) / 2, []
        for level, (start, rows) in enumerate(zip(self.config.offsets, self.config.level_rows, strict=False)):
            part = table[start : start + rows]
            if self.planes:
                features += self._corners([plane.contiguous() for plane in part.unbind(1)], unit, level)
            else:
                features.append(self._corners([part], unit, level)[0])
        return torch.stack(features, 1) if self.planes else torch.cat(features, 1)

    def _corners(self, tables, unit, level):
        place = unit * float(self.levels.scale[level]) + 0.5
        low = place.floor()
        upper, cells = (place - low).unbind(1), low.to(torch.int32 if self.planes else torch.int64).unbind(1)
        totals = [0.0] * len(tables)
        for corner in itertools.product((0, 1), repeat=self.config.dims):
            row = self._row([cell + step for cell, step in zip(cells, corner, strict=True)], level)
            sides = [part if step else 1 - part for part, step in zip(upper, corner, strict=True)]
            weight = functools.reduce(torch.mul, sides)
            weight = weight if self.planes else weight[:, None]
            totals = [total + weight * table.index_select(0, row) for total, table in zip(totals, tables, strict=True)]
        return totals

    def _row(self, places, level):
        if self.levels.hashed[level]:
            products = [cell * prime for cell, prime in zip(places, PRIMES, strict=False)]
            index = functools.reduce(torch.bitwise_xor, products)
        else:
            strides = [int(stride) for stride in self.levels.strides[level]]
            index = sum(cell * stride for cell, stride in zip(places, strides, strict=True))
        mask = int(self.levels.mask[level])
        return index if mask == 2**32 - 1 else index & mask  # all ones: the row is in the table anyway


def mlp(params, name, x, shared=None):
    """Linear layers without biases. Inputs that all rows share cost one row's work, as ours do."""
    for k in range(sum(key.startswith(f"{name}/kernel") for key in params)):
        kernel, width = params[f"{name}/kernel_{k}"], x.shape[1]
        x = torch.relu(x) if k else x
        x = x @ kernel[:width] + (shared @ kernel[width:] if shared is not None and not k else 0.0)
    return x


def harmonics(direction):
    """The first 16 real spherical harmonics."""
    x, y, z = direction.unbind(-1)
    xx, yy, zz = x * x, y * y, z * z
    return torch.stack([
        torch.full_like(x, 0.28209479), -0.48860251 * y, 0.48860251 * z, -0.48860251 * x,
        1.09254843 * x * y, -1.09254843 * y * z, 0.94617470 * zz - 0.31539157, -1.09254843 * x * z,
        0.54627422 * (xx - yy), 0.59004359 * y * (yy - 3 * xx), 2.89061144 * x * y * z, 0.45704580 * y * (1 - 5 * zz),
        0.37317633 * z * (5 * zz - 3), 0.45704580 * x * (1 - 5 * zz), 1.44530572 * z * (xx - yy),
        0.59004359 * x * (3 * yy - xx),
    ], -1)  # fmt: skip


def frequencies(x, octaves):
    parts = [x]
    for k in range(octaves):
        parts += [torch.sin(2**k * x), torch.cos(2**k * x)]
    return torch.cat(parts, -1)


def instant_ngp(params, grids, points, directions, told):
    out = mlp(params, "density_mlp", grids["grid"](params["grid/table"], points))
    colour = mlp(params, "colour_mlp", torch.cat([harmonics(directions), out[:, 1:]], 1))
    return torch.exp(out[:, 0]), torch.sigmoid(colour)


def radnerf(params, grids, points, directions, told):
    """`told`: the condition and the frame's code."""
    space = grids["position_grid"](params["position_grid/table"], points)
    ambient = torch.tanh(mlp(params, "ambient_mlp", space, told["condition"]))
    plane = grids["ambient_grid"](params["ambient_grid/table"], ambient)
    out = mlp(params, "density_mlp", torch.cat([space, plane], 1))
    colour = mlp(params, "colour_mlp", torch.cat([harmonics(directions), out[:, 1:]], 1), told["code"])
    return torch.exp(out[:, 0]), torch.sigmoid(colour)


def adnerf(params, part, points, directions, told):
    """One deep perceptron: the coarse or the fine one."""

    def layer(name, x):
        return torch.addmm(params[f"{part}/{name}/bias"], x, params[f"{part}/{name}/kernel"])

    given = torch.cat([frequencies(points, 10), told["condition"].expand(len(points), -1)], 1)
    x = given
    for k in range(8):
        x = torch.relu(layer(f"density_{k}", torch.cat([given, x], 1) if k == 5 else x))
    density = torch.relu(layer("density", x)[:, 0])
    x = torch.cat([x, frequencies(directions, 4)], 1)
    for k in range(3):
        x = torch.relu(layer(f"colour_{k}", x))
    return density, torch.sigmoid(layer("colour", x))


def composite(density, width, colour, distance):
    """Colour [r 3], depth [r] and opacity [r] of samples [r s]."""
    alpha = 1 - torch.exp(-density * width)
    light = torch.cumprod(pad(1 - alpha[:, :-1], (1, 0), value=1.0), 1)
    weights = alpha * light
    return (weights[..., None] * colour).sum(1), (weights * distance).sum(1), weights.sum(1)


def marched(field, origin, direction, distance, width):
    """Where there are samples [r s], those of width zero being none."""
    there = width > 0
    ray = there.nonzero()[:, 0]
    points = (origin[ray] + distance[there][:, None] * direction[ray]).clamp(-1, 1)
    each, shade = field(points, direction[ray])
    density = torch.zeros_like(width).masked_scatter(there, each)
    colour = torch.zeros(*width.shape, 3, device=width.device)
    colour = colour.masked_scatter(there[..., None], shade)
    return composite(density, width, colour, distance + width)


def sampled(field, origin, direction, distance, last=1e10):
    """All of the samples [r s], each as wide as it is far from the next."""
    points = origin[:, None] + distance[..., None] * direction[:, None]
    directions = direction[:, None].expand_as(points).reshape(-1, 3)
    density, colour = (x.reshape(*distance.shape, *x.shape[1:]) for x in field(points.reshape(-1, 3), directions))
    return composite(density, pad(distance.diff(dim=1), (0, 1), value=last), colour, distance)


class Side:
    """A field with handed parameters, and its rays with handed samples.

    `work`: forward or both; `way`: plain, planes or compiled; `configs`: those of grids, by name.
    """

    def __init__(self, field: str, work: str, way: str, given, configs: dict):
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.field, self.gradients = field, work == "both"
        self.given = {key: torch.from_numpy(np.array(value)).to(self.device) for key, value in np.load(given).items()}
        self.params, self.samples, self.told = (self._under(name) for name in ("params", "samples", "told"))
        for value in self.params.values():
            value.requires_grad_(self.gradients)
        self.grids = {name: Grid(config, way != "plain") for name, config in configs.items()}
        self.draw = torch.compile(self._draw) if way == "compiled" else self._draw

    def run(self) -> dict:
        """Outputs and gradients by name."""
        with torch.inference_mode(not self.gradients):
            seen = self.draw()
        results = {f"outputs/{k}": x.detach() for k, x in enumerate(x for each in seen for x in each)}
        if self.gradients:
            loss = sum(each[0].square().mean() for each in seen)
            found = torch.autograd.grad(loss, list(self.params.values()))
            results |= {f"gradients/{key}": x for key, x in zip(self.params, found, strict=True)}
        if self.device == "cuda":
            torch.cuda.synchronize()
        return results

    def _draw(self):
        rays = self.given["origin"], self.given["direction"]
        if self.field == "adnerf":
            fields = {part: functools.partial(adnerf, self.params, part, told=self.told) for part in self.samples}
            return [sampled(field, *rays, self.samples[part]) for part, field in fields.items()]
        ask = instant_ngp if self.field == "instant_ngp" else radnerf
        field = functools.partial(ask, self.params, self.grids, told=self.told)
        return [marched(field, *rays, self.samples["distance"], self.samples["width"])]

    def _under(self, name: str) -> dict:
        return {key.removeprefix(f"{name}/"): value for key, value in self.given.items() if key.startswith(f"{name}/")}
