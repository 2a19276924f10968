"""Does the shipped face network know people of real videos again, whom it never saw? AUC of pairs of their frames.

    python benchmarks/identity_auc.py --videos ../shared/media/video [--cache crops.npz]

Twelve frames of each video, spread over it, are aligned by our own detector and landmarks and embedded. Pairs of frames
of one video (one person) are told from pairs of two videos (two people) by their cosine; the area under the ROC curve
is 0.5 by chance and 1 at best. Since a video also keeps its lights, camera and background, which pixels tell as well,
harder pairs are reported too: frames at least half a video apart; the face alone before a colour drawn for each frame;
that with one frame of each pair relit, recoloured and blurred. Baselines: pixels of the crops, and the network with
random weights. Prints tables; `--weights` measures other weights than the shipped ones.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from PIL import Image, ImageDraw, ImageFilter
from scipy.spatial import ConvexHull

from jaxtalk.face import align, detect
from jaxtalk.face.crop import to_crop
from jaxtalk.io import video, weights
from jaxtalk.metrics.auc import auc
from jaxtalk.models import face_features
from jaxtalk.systems import identity

# More than one face, or a copy of another clip's pictures.
LEFT_OUT = ("crowd_many_faces", "silent_no_audio")
# Clips whose names (of one interview) or faces may be one person's: their cross pairs count neither way.
MAYBE_ONE = ({"vox_741400104", "vox_741400163"},)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    videos: Path = Path("../shared/media/video")
    frames: int = 12
    weights: Path | None = None
    cache: Path | None = None
    """File for the crops, so that other weights can be measured without finding faces again."""


class Frames(NamedTuple):
    crops: np.ndarray  # [n s s 3]
    points: np.ndarray  # [n 68 2], units of the crop
    times: np.ndarray  # [n], from 0 to 1


def frames_of(path: Path, count: int) -> Frames:
    """Up to `count` aligned crops spread over a video."""
    total = video.probe(path).frames
    wanted = set(((np.arange(count) + 0.5) / count * total).astype(int).tolist())
    crops, points, times = [], [], []
    for k, frame in enumerate(video.frames(path)):
        if k in wanted:
            faces = detect.faces(frame)
            if faces:
                landmarks = jnp.asarray(faces[0].landmarks, jnp.float32)
                crops.append(align.aligned(frame, faces[0].landmarks, face_features.SIZE))
                points.append(np.asarray(to_crop(landmarks, align.aligned_frame(landmarks))))
                times.append(k / total)
    return Frames(np.array(crops), np.array(points), np.array(times))


def gather(options: Options) -> dict[str, Frames]:
    if options.cache and options.cache.exists():
        with np.load(options.cache) as z:
            names = [name[6:] for name in z.files if name.startswith("crops/")]
            return {name: Frames(*(z[f"{field}/{name}"] for field in Frames._fields)) for name in names}
    paths = [path for path in sorted(options.videos.glob("*.mp4")) if path.stem not in LEFT_OUT]
    found = {path.stem: frames_of(path, options.frames) for path in paths}
    found = {name: frames for name, frames in found.items() if len(frames.times)}
    if options.cache:
        np.savez(options.cache, **{f"{k}/{name}": v for name, f in found.items() for k, v in f._asdict().items()})
    return found


def face_alone(rng: np.random.Generator, crop: np.ndarray, points: np.ndarray) -> np.ndarray:
    """What lies around the points and a third of brow to chin above is one random colour."""
    up = 0.35 * (points[17:27].mean(0) - points[8])
    outline = np.concatenate([points, points[17:27] + up])
    outline = outline[ConvexHull(outline).vertices] * len(crop)
    mask = Image.new("L", crop.shape[1::-1])
    ImageDraw.Draw(mask).polygon([tuple(p) for p in outline.tolist()], fill=255)
    behind = Image.new("RGB", mask.size, tuple(rng.integers(0, 256, 3).tolist()))
    return np.asarray(Image.composite(Image.fromarray(crop), behind, mask.filter(ImageFilter.GaussianBlur(1))))


def spoilt(rng: np.random.Generator, crop: np.ndarray) -> np.ndarray:
    """The crop under another light and camera: slope of light, white balance, exposure, contrast, blur."""
    size = len(crop)
    y, x = np.mgrid[:size, :size] / size - 0.5
    light = np.exp(rng.normal(0, 0.8) * x + rng.normal(0, 0.5) * y)[..., None]
    gain = np.exp(rng.normal(0, 0.2) + rng.normal(0, 0.12, 3))
    image = np.clip(crop / 255 * light * gain, 0, 1) ** np.exp(rng.normal(0, 0.3))
    picture = Image.fromarray((255 * image).astype(np.uint8))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.5))))


def pairs(names: np.ndarray, times: np.ndarray):
    """Indices of all pairs, which are of one person, which of two, and which are far apart in time."""
    first, second = np.triu_indices(len(names), 1)
    same = names[first] == names[second]
    unsure = np.zeros_like(same)
    for group in MAYBE_ONE:
        unsure |= np.isin(names[first], list(group)) & np.isin(names[second], list(group)) & ~same
    return first, second, same, ~same & ~unsure, same & (np.abs(times[first] - times[second]) >= 0.5)


def row(embed: Callable[[np.ndarray], np.ndarray], whole, alone, relit, index) -> list[float]:
    """AUC of all pairs, of pairs far apart, and these of the face alone, and of a face alone and one relit."""
    first, second, same, other, far = index
    whole, alone, relit = (embed(crops) for crops in (whole, alone, relit))
    scores = [(a @ b.T)[first, second] for a, b in ((whole, whole), (alone, alone), (alone, relit))]
    return [float(auc(jnp.asarray(s[hit]), jnp.asarray(s[other]))) for s in scores for hit in (same, far)]


def pixels(crops: np.ndarray) -> np.ndarray:
    flat = crops.reshape(len(crops), -1).astype(np.float32)
    flat = flat - flat.mean(0)
    return flat / np.linalg.norm(flat, axis=-1, keepdims=True)


def main(options: Options) -> None:
    found = gather(options)
    crops, points, times = (np.concatenate(values) for values in zip(*found.values(), strict=True))
    names = np.concatenate([np.full(len(frames.times), name) for name, frames in found.items()])
    rng = np.random.default_rng(0)
    alone = np.stack([face_alone(rng, crop, own) for crop, own in zip(crops, points, strict=True)])
    relit = np.stack([face_alone(rng, spoilt(rng, crop), own) for crop, own in zip(crops, points, strict=True)])
    index = pairs(names, times)
    loaded = weights.load(options.weights) if options.weights else identity.shipped()
    random = face_features.FaceFeatures().init(jax.random.key(0), jnp.zeros((1, 96, 96, 3)))
    embed = identity.embedder(loaded)
    table = {
        weights.label(loaded): embed,
        "random weights": identity.embedder(dataclasses.replace(loaded, variables=random)),
        "pixels less their mean": pixels,
    }
    print(f"{len(found)} videos, {len(crops)} frames, {index[2].sum()} pairs of one person, {index[3].sum()} of two")
    print("| | all | far apart | face alone | and far | relit | and far |\n|---|---|---|---|---|---|---|")
    for name, how in table.items():
        print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in row(how, crops, alone, relit, index)) + " |")
    by_video(embed(crops), names, times)


def by_video(embedding: np.ndarray, names: np.ndarray, times: np.ndarray) -> None:
    similarity = embedding @ embedding.T
    print("\n| video | CSIM within | first to last quarter | nearest other video | its CSIM |\n|---|---|---|---|---|")
    for name in dict.fromkeys(names):
        mine = names == name
        within = similarity[np.ix_(mine, mine)][np.triu_indices(mine.sum(), 1)].mean()
        ends = similarity[np.ix_(mine & (times < 0.25), mine & (times > 0.75))].mean()
        others = {n: similarity[np.ix_(mine, names == n)].mean() for n in set(names) - {name}}
        nearest = max(others, key=others.get)
        print(f"| {name} | {within:.2f} | {ends:.2f} | {nearest} | {others[nearest]:.2f} |")


if __name__ == "__main__":
    main(tyro.cli(Options))
