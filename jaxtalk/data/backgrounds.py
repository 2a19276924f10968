"""Pictures without a face: patterns made up on the spot, and crops of photographs that show none."""

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage

# Photographs in scikit-image's wheel that are public domain or CC0 and show no human face
# (its astronaut, camera and lfw_subset do, and are left out).
PHOTOGRAPHS = ("brick", "grass", "gravel", "chelsea", "coffee", "hubble_deep_field", "rocket", "coins", "page", "text")


def photographs() -> list[UInt8[np.ndarray, "h w 3"]]:
    """The pictures of PHOTOGRAPHS from scikit-image, which training needs (the extra `dev`)."""
    from pathlib import Path

    import skimage

    folder = Path(skimage.__file__).parent / "data"
    files = [next(folder.glob(f"{name}.*")) for name in PHOTOGRAPHS]
    return [np.asarray(Image.open(file).convert("RGB")) for file in files]


def bank(seed: int, count: int, size: int, pictures: list) -> UInt8[np.ndarray, "n s s 3"]:
    """`count` square backgrounds: a third crops of `pictures` (where there are any), the rest patterns."""
    rng = np.random.default_rng([seed, 21])
    makers = [_scene, _smooth, _room]
    out = np.empty((count, size, size, 3), np.uint8)
    for i in range(count):
        from_photograph = pictures and rng.random() < 0.35
        made = _photograph(rng, size, pictures) if from_photograph else makers[rng.integers(3)](rng, size)
        out[i] = made.filter(ImageFilter.GaussianBlur(rng.exponential(1.2)))
    return out


def _photograph(rng, size, pictures):
    picture = Image.fromarray(pictures[rng.integers(len(pictures))])
    side = int(min(picture.size) * rng.uniform(0.15, 1.0))
    x, y = (rng.integers(0, extent - side + 1) for extent in picture.size)
    crop = picture.crop((x, y, x + side, y + side)).resize((size, size), Image.Resampling.BILINEAR)
    if rng.random() < 0.5:
        return crop
    order = rng.permutation(3)
    return Image.fromarray(np.asarray(crop)[..., order])


def _smooth(rng, size):
    """Clouds of colour."""
    field = rng.normal(0, 1, (size, size, 3))
    sigma = size * rng.uniform(0.02, 0.3)
    field = np.stack([ndimage.gaussian_filter(field[..., k], sigma, mode="wrap") for k in range(3)], -1)
    field = field / field.std() * rng.uniform(5, 50) + rng.uniform(20, 235, 3)
    return Image.fromarray(np.clip(field, 0, 255).astype(np.uint8))


def _room(rng, size):
    """A wall with a gradient and upright or level bars: curtains, shelves, windows, banners."""
    y, x = np.mgrid[:size, :size] / size
    slope = rng.normal(0, 60, 2)
    base = rng.uniform(10, 245, 3) + ((x - 0.5) * slope[0] + (y - 0.5) * slope[1])[..., None]
    picture = Image.fromarray(np.clip(base, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for _ in range(rng.integers(0, 8)):
        place, width = rng.uniform(0, size), rng.uniform(1, size / 3)
        box = (place, 0, place + width, size) if rng.random() < 0.7 else (0, place, size, place + width)
        draw.rectangle(box, fill=tuple(rng.integers(0, 256, 3).tolist()))
    return picture


def _scene(rng, size):
    """Ellipses, boxes and strokes in the colours of things, skin among them: no head, but parts that look like one."""
    picture = _smooth(rng, size)
    draw = ImageDraw.Draw(picture)
    for _ in range(rng.integers(2, 25)):
        skin = rng.random() < 0.25
        colour = np.array([220, 170, 140]) * rng.uniform(0.2, 1.1) if skin else rng.uniform(0, 255, 3)
        fill = tuple(np.clip(colour, 0, 255).astype(int).tolist())
        centre, radius = rng.uniform(0, size, 2), size * rng.exponential(0.12, 2)
        box = (*(centre - radius), *(centre + radius))
        shape = rng.integers(3)
        if shape == 0:
            draw.ellipse(box, fill=fill)
        elif shape == 1:
            draw.rectangle(box, fill=fill)
        else:
            draw.line(box, fill=fill, width=int(1 + size * rng.exponential(0.03)))
    return picture
