"""Which pixels of a person's video are head, torso and background, found from the clip itself.

fitted head --distance to its outline--> seeds --colours, places, still background--> beliefs --random walk--> shares

Nothing is known beforehand of how hair, clothes and room look. Some frames of the clip are labelled from what geometry
says: inside of the outline is head, far from it above the chin is background, at the bottom is torso. From these labels
come each class's colours, the places where it is (the head's move with the head) and the picture of the background,
which stands still; they label the same frames again, and then all. Head is what moves with the head: hair, ears, and
the neck down to the collar. The work is done at `SIDE` pixels; edges are sharpened at full size (`guided`).
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import scipy.ndimage
from jaxtyping import Float, Int, UInt8
from PIL import Image

from jaxtalk.data import guided, random_walk
from jaxtalk.face.head_outline import Outline

HEAD, TORSO, BACKGROUND, SKIN = range(4)
SIDE = 128  # pixels at which is labelled
SAMPLES = 48  # frames from which the clip's colours and places are learnt
ROUNDS = 3
BINS = 16  # along each axis of colour
RARE = 1e-5  # likelihood of a colour that was not met
TRUST = 0.15  # in a pixel's own belief, next to that of its neighbours
SURE = 5.0  # the same, of seeds
SEEN = 4  # sampled frames in which a pixel must be background for its picture there to be known
CHANGE = 0.02  # of white: what noise may change a still pixel by, at least


class Known(NamedTuple):
    """What a clip's labelled frames tell: likelihoods of colours, shares by place, the still background."""

    colours: Float[np.ndarray, "4 n"]  # of each class and of skin, by bin of colour
    places: Float[np.ndarray, "h w 3"]  # share of each class in the picture
    around: Float[np.ndarray, "h2 w2"]  # share of head, from twice the picture's extent about the outline's middle
    still: Float[np.ndarray, "h w 3"]
    change: Float[np.ndarray, "h w"]  # standard deviation of the still picture; infinite where it is not known


class Geometry(NamedTuple):
    """What the outline says of the pixels, in units of the head."""

    distance: Float[np.ndarray, "h w"]  # outside of the outline, over the head's width
    below: Float[np.ndarray, "h w"]  # of the chin, over the head's height
    aside: Float[np.ndarray, "h w"]  # of the chin, over the head's width
    middle: Float[np.ndarray, "2"]  # pixels


def learn(pictures: UInt8[np.ndarray, "t s s 3"], outlines: list[Outline]) -> Known:
    """What some frames, evenly spread over the clip, tell when they are labelled `ROUNDS` times."""
    chosen = np.unique(np.linspace(0, len(pictures) - 1, SAMPLES).astype(int))
    small = np.stack([shrunk(pictures[k]) for k in chosen])
    known = None
    geometry = [_geometry(_at(outlines[k], pictures, small), *small.shape[1:3]) for k in chosen]
    labels = [_seed_shares(g) for g in geometry]
    for round_ in range(ROUNDS):
        known = _known(small, labels, geometry, seeds=round_ == 0)
        labels = _walked(small, geometry, known)
    return _known(small, labels, geometry, seeds=False)


def label(
    pictures: UInt8[np.ndarray, "b s s 3"], outlines: list[Outline], known: Known
) -> UInt8[np.ndarray, "b s s 2"]:
    """Shares of head and torso in each pixel, of 255; what is left is background."""
    small = np.stack([shrunk(picture) for picture in pictures])
    geometry = [_geometry(_at(o, pictures, small), *small.shape[1:3]) for o in outlines]
    shares = np.stack(_walked(small, geometry, known))
    return np.stack([_full(p, s) for p, s in zip(pictures, shares, strict=True)])


def shrunk(picture: UInt8[np.ndarray, "s s 3"]) -> Float[np.ndarray, "r r 3"]:
    """The picture at the side that is worked at, in [0, 1]."""
    side = min(SIDE, len(picture))
    small = Image.fromarray(picture).resize((side, side), Image.Resampling.BOX)
    return np.asarray(small, np.float32) / 255


def _at(outline, pictures, small):
    return outline.scaled(small.shape[1] / pictures.shape[1])


def _geometry(outline: Outline, height: int, width: int) -> Geometry:
    wide, tall = outline.extent
    y, x = np.mgrid[:height, :width] + 0.5
    distance = outline.distance(height, width) / wide
    return Geometry(distance, (y - outline.chin[1]) / tall, (x - outline.chin[0]) / wide, outline.middle)


def _seed_shares(g: Geometry) -> Float[np.ndarray, "h w 3"]:
    """What geometry is sure of; 0 elsewhere."""
    above = g.below < 0.0
    far = min(0.45, 0.8 * float(g.distance[above].max())) if above.any() else 0.45
    head = (g.distance < -0.07) & (g.below < -0.05)
    bottom = np.arange(len(g.below))[:, None] >= 0.92 * len(g.below)
    torso = bottom & (g.below > 0.28) & (np.abs(g.aside) < 0.45)
    background = above & (g.distance > far) & (g.below < -0.15)
    return np.stack([head, torso, background & ~head], -1).astype(np.float32)


def _first_places(g: Geometry) -> Float[np.ndarray, "h w 3"]:
    """How likely each class is by geometry alone."""
    head = np.exp(-np.square(np.maximum(g.distance, 0) / np.where(_neck(g) & (np.abs(g.aside) < 0.32), 0.35, 0.17)))
    torso = _sigmoid((g.below - 0.13 * np.abs(g.aside)) / 0.04)
    background = _sigmoid((g.distance + 0.01) / 0.03) * np.where(g.below < 0, 1.0, 0.6)
    return np.stack([head, torso, background], -1) + 0.01


def _neck(g: Geometry):
    """Where the neck may be, wider than it is."""
    return (np.abs(g.aside) < 0.5) & (g.below < 0.4) & (g.below > -0.2) & (g.distance > 0.01)


def _known(small, labels, geometry, seeds: bool) -> Known:
    """Counts what the labelled frames say."""
    shares = np.stack(labels)
    codes, clear = _codes(small), np.maximum(2 * shares - 1, 0)  # what is half one, half another teaches wrong colours
    skin = np.stack([(g.distance < -0.1) & (g.below < -0.05) & (g.below > -0.5) for g in geometry])
    colours = np.stack([_histogram(codes, weight) for weight in (*np.moveaxis(clear, -1, 0), skin)])
    height, width = small.shape[1:3]
    still, change = _still(small, shares[..., BACKGROUND] > 0.8)
    if seeds:
        return Known(colours, np.zeros((height, width, 3)), np.zeros((2 * height, 2 * width)), still, change)
    places = scipy.ndimage.gaussian_filter(shares.mean(0), (0.03 * height, 0.03 * width, 0))
    moved = np.stack([_centred(s[..., HEAD], g.middle) for s, g in zip(shares, geometry, strict=True)])
    inside = np.stack([_centred(np.ones_like(s[..., HEAD]), g.middle) for s, g in zip(shares, geometry, strict=True)])
    around = moved.sum(0) / np.maximum(inside.sum(0), 1e-3)
    return Known(colours, places, scipy.ndimage.gaussian_filter(around, 0.015 * height), still, change)


def _codes(small) -> Int[np.ndarray, "*b h w"]:
    red, green, blue = np.moveaxis(np.minimum((small * BINS).astype(int), BINS - 1), -1, 0)
    return (red * BINS + green) * BINS + blue


def _histogram(codes, weight):
    """Likelihood of each colour, smoothed over its neighbours and with a little of everything."""
    counts = np.bincount(codes.ravel(), weight.ravel(), BINS**3).reshape(BINS, BINS, BINS)
    counts = scipy.ndimage.gaussian_filter(counts, 0.7)
    total = counts.sum()
    return (counts.ravel() / total if total else counts.ravel()) + RARE


def _still(small, background):
    """Median and deviation [h w] of what is background at each pixel."""
    count = background.sum(0)
    values = np.where(background[..., None], small, np.nan)
    known = count >= min(SEEN, len(small))
    values[:, ~known] = 0.0
    still = np.nanmedian(values, axis=0)
    change = 1.5 * np.nanmedian(np.abs(values - still).max(-1), axis=0)
    return still, np.where(known, np.maximum(change, CHANGE), np.inf)


def _centred(picture, middle):
    """The picture [h w] in one twice as large, with `middle` in its middle."""
    height, width = picture.shape
    large = np.zeros((2 * height, 2 * width), np.float32)
    top, left = (int(round(c)) for c in (height - middle[1], width - middle[0]))
    top, left = np.clip(top, 0, height), np.clip(left, 0, width)
    large[top : top + height, left : left + width] = picture
    return large


def _from_centred(large, middle):
    height, width = (extent // 2 for extent in large.shape)
    top, left = (int(round(c)) for c in (height - middle[1], width - middle[0]))
    top, left = np.clip(top, 0, height), np.clip(left, 0, width)
    return large[top : top + height, left : left + width]


def _belief(small, g: Geometry, known: Known):
    """Share [h w 3] of each class by colour, place and stillness, and how far it is to be trusted [h w]."""
    codes = _codes(small)
    like = np.moveaxis(known.colours[:, codes], 0, -1)
    skin = np.maximum(
        like[..., SKIN], 0.2 * like[..., HEAD]
    )  # below the chin, what is dark is rather clothes than hair
    like[..., HEAD] = np.where(_neck(g), skin, like[..., HEAD])
    like = like[..., :SKIN]
    met = np.maximum(1 - 3.5 * RARE / like.sum(-1), 0.03)  # a colour that was not met leaves it to the neighbours
    like = np.sqrt(like / like.sum(-1, keepdims=True))  # neighbours' colours are no independent evidence
    belief = like * _first_places(g)
    if known.places.any():
        head = _from_centred(known.around, g.middle)
        rest = known.places[..., 1:] / np.maximum(known.places[..., 1:].sum(-1, keepdims=True), 1e-3)
        belief = belief * (np.concatenate([head[..., None], (1 - head[..., None]) * rest], -1) + 0.02)
    apart = np.abs(small - known.still).max(-1) / known.change
    seen = np.isfinite(known.change)
    belief[..., BACKGROUND] *= np.where(seen, np.exp(-np.minimum(np.square(apart) / 8, 4.0)), 0.3)
    belief[..., :BACKGROUND] *= np.where(seen & (apart < 1.5), 0.25, 1.0)[..., None]
    belief = belief / belief.sum(-1, keepdims=True)
    seeds = _seed_shares(g)
    sure = seeds[..., HEAD] > 0
    belief = np.where(sure[..., None], seeds, belief)
    return belief.astype(np.float32), np.where(sure, SURE, TRUST * met).astype(np.float32)


def _walked(small, geometry, known):
    pairs = [_belief(s, g, known) for s, g in zip(small, geometry, strict=True)]
    belief, trust = (jnp.asarray(np.stack(each)) for each in zip(*pairs, strict=True))
    shares = np.asarray(random_walk.walk(jnp.asarray(small), belief, trust))
    return [_whole(s, g) for s, g in zip(shares, geometry, strict=True)]


def _whole(shares, g):
    """Without pieces of head that do not hang together with it: a tie that is as red as lips."""
    pieces, _ = scipy.ndimage.label(shares[..., HEAD] > 0.4)
    own = np.unique(pieces[(g.distance < -0.07) & (pieces > 0)])
    stray = (pieces > 0) & ~np.isin(pieces, own)
    stray = scipy.ndimage.binary_dilation(stray, iterations=2) & ~np.isin(pieces, own)
    other = np.where(g.below > 0.05, TORSO, BACKGROUND)
    moved = np.where(stray, shares[..., HEAD], 0.0)
    return shares + moved[..., None] * (np.eye(3, dtype=np.float32)[other] - np.eye(3, dtype=np.float32)[HEAD])


def _full(picture, shares):
    """Shares at the picture's size, with its edges; uint8."""
    size = picture.shape[:2][::-1]
    large = [np.asarray(Image.fromarray(s).resize(size, Image.Resampling.BILINEAR)) for s in np.moveaxis(shares, -1, 0)]
    sharp = guided.sharpened(picture.astype(np.float32) / 255, np.stack(large[:2], -1), max(2, round(size[0] / 64)))
    sharp = np.clip((sharp - 0.5) * 2.0 + 0.5, 0, 1)  # a share of nearly all is all
    sharp = sharp / np.maximum(sharp.sum(-1, keepdims=True), 1.0)
    return (255 * sharp + 0.5).astype(np.uint8)


def _sigmoid(x):
    return 1 / (1 + np.exp(-np.clip(x, -30, 30)))
