"""Deep3DFaceRecon: from a picture to the coefficients of a 3D face, learned by drawing it (weak supervision).

jaxtalk corpus corpus --clips 1200
jaxtalk train face_recon --corpus corpus

No coefficient is taught: the network's face is drawn by our rasteriser and compared with the picture by colour, by 68
landmarks and by a face recognition network (Deng et al., CVPRW 2019, sec. 4, with the weights of the published code).
With --model from `jaxtalk convert bfm` the coefficients are SadTalker's.

Two cores, 64 pixels, 2,400 steps, 17 minutes beside other work: landmarks of people in 27 videos are 0.075 of the eyes'
distance off, those of the mean face fitted to each frame 0.091; shape and expression are hardly found
(docs/face_recon.md).
"""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

import grain
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array

from jaxtalk.data import (
    backgrounds,
    corpus,
    face_augment,
    face_renders,
    head_mesh,
    host_rows,
    recon_crops,
    recon_frames,
    render_set,
    talking_videos,
)
from jaxtalk.face import align, recon_face, recon_geometry, skin_colour
from jaxtalk.face.crop import resample
from jaxtalk.io import weights
from jaxtalk.losses import face_prior, landmarks, perception, photo
from jaxtalk.metrics.linear_readout import readout
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import face_features, face_recon
from jaxtalk.render import lighting, recon_picture
from jaxtalk.render.rasterise import interpolate, rasterise
from jaxtalk.train import state as train_state
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.step import make_step

RENDER, MARGIN = 128, 1.6  # of a picture: pixels, and its side over that of the points of a rendered head
BLOCK = 32  # pictures evaluated at once


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Trains Deep3DFaceRecon through the rasteriser, on frames of the corpus and on what else is given."""

    corpus: Path = Path("corpus")
    """Folder written by `jaxtalk corpus`; frames are drawn for it here."""
    clips: int = 450
    """How many clips of the corpus to draw, recon_frames.FRAMES pictures each (two to four a second on one core)."""
    heads: Path | None = None
    """Face model from `jaxtalk convert ict`, of which random heads with hair, glasses and hands are added."""
    count: int = 2500
    """How many such heads."""
    people: Path | None = None
    """Talking videos from `jaxtalk prepare`, which are added."""
    backgrounds: int = 500
    """How many backgrounds to make up for them."""
    renders: Path = Path("data/recon")
    """Folder for the pictures, which are made first where they are missing."""
    model: Path | None = None
    """The face that is fitted, from `jaxtalk convert bfm`; the built-in one where it is not given."""
    recognition: Path | None = None
    """Weights of the kind of face_features that judge who it is; the shipped ones where they are not given."""
    size: int = 64
    """Pixels: side of the crops that the network sees and of the pictures that it is judged by; published: 224."""
    width: int = 16
    """Channels of the first layer; published: 64."""
    blocks: tuple[int, ...] = (1, 1, 1, 1)
    """Bottlenecks at each level; published: 3 4 6 3."""
    color: float = 1.92
    lm: float = 1.6e-3
    feat: float = 0.2
    reg: float = 3e-4
    gamma: float = 10.0
    reflc: float = 5.0
    """The published weights of colours, landmarks, recognition, coefficients, grey light and even skin."""
    batch: int = 16
    steps: int = 2000
    rate: float = 5e-4
    seed: int = 0

    def experiment(self) -> Experiment:
        task = Task(self)
        return Experiment(
            name="face_recon",
            init=task.init,
            step=make_step(task.loss, task.optimizer, average=0.99),
            data=task.data,
            steps=self.steps,
            evaluate=task.evaluate,
            export=task.export,
            seed=self.seed,
            log_every=50,
            evaluate_every=1000,
            save_every=250,
        )


class Task:
    """The pictures and the pure functions of one run."""

    def __init__(self, config: Config):
        self.config = config
        self.face = recon_face.load(config.model)
        self.shape = network_config(self.face, config)
        self.network = face_recon.FaceRecon(self.shape)
        rate = optax.warmup_cosine_decay_schedule(0.0, config.rate, min(100, config.steps // 2), config.steps)
        self.optimizer = optax.chain(optax.clip_by_global_norm(5.0), optax.adam(rate))
        self.embed = recognition(config.recognition)
        self.sets = write_renders(config)
        self.held_out = self.sets.pop("held_out")
        self.backgrounds = backgrounds.bank(0, config.backgrounds, config.size, backgrounds.photographs())
        self.grain = face_augment.grain(3)
        self.skin = fit_skin(self.sets["corpus"])

    def init(self, rng):
        crop = jnp.zeros((1, self.config.size, self.config.size, 3))
        return train_state.create(self.network.init(rng, crop), self.optimizer, rng)

    def data(self):
        parts = [
            grain.MapDataset.range(len(renders))
            .seed(self.config.seed + k)
            .shuffle()
            .repeat()
            .random_map(functools.partial(self.example, renders))
            for k, renders in enumerate(self.sets.values())
        ]
        batches = grain.MapDataset.mix(parts).batch(self.config.batch).map_with_index(self.crops).map(host_rows.own)
        return batches.to_iter_dataset(grain.ReadOptions(num_threads=1, prefetch_buffer_size=4))

    def example(self, renders, index: int, rng: np.random.Generator):
        image, points = renders[int(index)]
        return {"image": image, "points": points, "background": self.backgrounds[rng.integers(len(self.backgrounds))]}

    def crops(self, index: int, batch) -> dict[str, np.ndarray]:
        """The augmented batch: made here, not in the step, so that the compiler does not fuse it with the network."""
        key = jax.random.fold_in(jax.random.key(self.config.seed), index)
        values = (jnp.asarray(batch[name]) for name in ("image", "points", "background"))
        return {k: np.asarray(v) for k, v in recon_crops.spoilt(key, *values, self.grain)._asdict().items()}

    def loss(self, params, stats, batch, rng):
        (coefficients, _), updates = self.network.apply(
            {"params": params, "batch_stats": stats}, batch["image"], train=True, mutable="batch_stats"
        )
        terms, drawn = self.terms(coefficients, batch["image"], batch["landmarks"])
        metrics = {name: Mean.of(value) for name, value in terms.items()}
        metrics["error_over_eyes"] = Mean.of(landmarks.over_eyes(drawn.landmarks, batch["landmarks"]))
        return sum(value.mean() for value in terms.values()), (updates["batch_stats"], metrics)

    def terms(self, coefficients, image: Array, points: Array) -> tuple[dict[str, Array], recon_picture.Drawn]:
        """The six losses [b], weighted, and what was drawn."""
        c, size = self.config, image.shape[1]
        drawn = recon_picture.draw(self.face, coefficients, size)
        covered = drawn.covered[..., None]
        attention = jax.lax.stop_gradient(drawn.covered * self.skin.probability(image))
        # Over the picture, not over black as published: our recognition network has seen no cut-out faces.
        over = jnp.where(covered, drawn.picture, image)
        scale = size / recon_geometry.SIZE
        both = [
            _aligned(picture, scale * where)
            for picture, where in ((over, jax.lax.stop_gradient(drawn.landmarks)), (image, points))
        ]
        terms = {
            "color": c.color * photo.photo(drawn.picture, image, attention),
            "lm": c.lm * landmarks.nose_and_mouth(drawn.landmarks, points),
            "feat": c.feat * perception.perception(self.embed, *both),
            "reg": c.reg * face_prior.plain_face(*coefficients[:3]),
            "gamma": c.gamma * face_prior.grey_light(coefficients.light),
            "reflc": c.reflc * face_prior.even_albedo(drawn.albedo, self.face.skin),
        }
        return terms, drawn

    def evaluate(self, state) -> dict[str, float]:
        return evaluate(self, state.variables)

    def export(self, state, folder: Path) -> None:
        note = f"Trained through the rasteriser on rendered faces, {int(state.step)} steps of configs/face_recon.py."
        made = weights.Weights(
            variables=state.variables,
            name="face_recon",
            config=weights.config_values(self.shape),
            licence="Apache-2.0",
            note=note,
        )
        weights.save(folder / "face_recon.safetensors", made, half=True)


def network_config(face: recon_face.ReconFace, config: Config) -> face_recon.Config:
    """As many outputs as the face has coefficients."""
    counts = (len(face.model.identity), len(face.model.expression), len(face.albedo.basis))
    sizes = dict(zip(("identity", "expression", "texture"), counts, strict=True))
    return face_recon.Config(blocks=config.blocks, width=config.width, **sizes)


def recognition(path: Path | None) -> Callable[[Array], Array]:
    """Aligned crops [b 96 96 3] (RGB from 0 to 1) to embeddings, by fixed weights."""
    stored = weights.load(path or weights.shipped("face_features"))
    network = face_features.FaceFeatures(weights.config(face_features.Config, stored))
    return lambda crops: network.apply(stored.variables, 2.0 * crops - 1.0).embedding


def write_renders(config: Config) -> dict[str, render_set.RenderSet]:
    """The pictures to train on by their source, and those held out, made where they are missing."""
    made, folder, each = {}, config.renders, recon_frames.FRAMES
    for name, split in (("corpus", "train"), ("held_out", "test")):
        records = corpus.read(config.corpus, split)
        count = each * min(config.clips, len(records))
        render_set.write(folder / name, recon_frames.of_corpus(records, RENDER), range(count))
        made[name] = render_set.RenderSet(folder / name)
    if config.heads:
        renderer = functools.cache(lambda: face_renders.make_renderer(head_mesh.load(config.heads), RENDER, MARGIN))
        render_set.write(folder / "heads", lambda seed: renderer()(seed), range(config.count))
        made["heads"] = render_set.RenderSet(folder / "heads")
    if config.people:
        records = talking_videos.read(config.people, "train")
        render_set.write(folder / "people", recon_frames.of_records(records, RENDER), range(each * len(records)))
        made["people"] = render_set.RenderSet(folder / "people")
    return made


def fit_skin(renders: render_set.RenderSet) -> skin_colour.SkinColour:
    """Skin colours of two hundred pictures."""
    some = np.linspace(0, len(renders) - 1, min(200, len(renders))).astype(int)
    pictures, points = zip(*(renders[int(k)] for k in some), strict=True)
    return skin_colour.fit(np.stack(pictures)[..., :3] / 255.0, np.stack(points))


def _aligned(pictures, points):
    size = face_features.SIZE
    return jax.vmap(lambda picture, frame: resample(picture, frame, size))(pictures, align.aligned_frame(points))


def look(task: Task, variables, image: Array, points: Array) -> dict[str, Array]:
    """What one block of plain crops gives: errors [b], coefficients, and the colours' errors of two plain guesses."""
    coefficients, _ = task.network.apply(variables, image)
    drawn = recon_picture.draw(task.face, coefficients, image.shape[1])
    attention = drawn.covered * task.skin.probability(image)
    plain = coefficients._replace(texture=0 * coefficients.texture)
    dull = recon_picture.draw(task.face, plain._replace(light=0 * coefficients.light), image.shape[1])
    lit = jax.vmap(lambda *one: _best_light(task.face, *one))(plain, image, attention)
    return {
        "landmarks": landmarks.over_eyes(drawn.landmarks, points),
        "color": photo.photo(drawn.picture, image, attention),
        "color_of_mean_skin": photo.photo(dull.picture, image, attention),
        "color_of_mean_skin_in_the_best_light": photo.photo(lit, image, attention),
        "identity": coefficients.identity,
        "expression": coefficients.expression,
        "points": drawn.landmarks,
        "picture": drawn.picture,
        "covered": drawn.covered,
    }


def _best_light(face, coefficients, image, attention):
    """The picture with the mean albedo and the light that explains it best (least squares over the skin)."""
    vertices = recon_geometry.vertices(face.model, coefficients)
    size, triangles = image.shape[0], face.model.triangles
    screen = recon_geometry.camera(size).project(vertices)
    seen = rasterise(screen, triangles, size, size, perspective=True, cull=True)
    normals = interpolate(seen, triangles, recon_geometry.normals(vertices, triangles))
    albedo = jnp.maximum(interpolate(seen, triangles, face.albedo.mean), 0.05)
    return lighting.shade(normals, albedo, lighting.fit(normals, image / albedo, attention > 0.5))


def looked(task: Task, variables, renders, count: int) -> dict[str, np.ndarray]:
    """`look` at the first `count` pictures of a set, and their landmarks as "truth"."""
    see, found = jax.jit(lambda *given: look(task, *given)), []
    for start in range(0, count, BLOCK):
        rows = [renders[min(k, count - 1)] for k in range(start, start + BLOCK)]  # one shape, so one compilation
        crops = recon_crops.plain(*(jnp.asarray(np.stack(part)) for part in zip(*rows, strict=True)), task.config.size)
        found.append(jax.device_get(see(variables, *crops) | {"truth": crops.landmarks, "image": crops.image}))
    return {name: np.concatenate([block[name] for block in found])[:count] for name in found[0]}


def evaluate(task: Task, variables) -> dict[str, float]:
    """Held-out frames of the corpus: errors, those of plain guesses, and what is known of the true coefficients.

    - landmarks: mean error over the distance of the outer eye corners; the guess is the mean face's, frontal, moved,
      turned and grown to fit best;
    - color: mean distance of colours over the skin; guesses have the mean skin's colours, in the even light that the
      network starts from, and in the light that explains the very picture best;
    - coefficients: mean correlation over those that vary, as they are, and of a cross-validated linear readout.
    """
    count = len(task.held_out)
    found = looked(task, variables, task.held_out, count)
    numbers = {name: float(value.mean()) for name, value in found.items() if value.ndim == 1}
    numbers["landmarks_of_mean_face"] = float(mean_face_error(task.face, found["truth"]).mean())
    records = corpus.read(task.config.corpus, "test")
    moments = [recon_frames.moments(records[k]) for k in range(count // recon_frames.FRAMES)]
    for kind in ("identity", "expression"):
        truth = np.concatenate([getattr(one, kind) for one in moments])
        numbers |= {f"{kind}_{name}": value for name, value in knowledge(found, kind, truth).items()}
    return numbers


def mean_face_error(face: recon_face.ReconFace, truth: np.ndarray) -> np.ndarray:
    """Landmark error [n] of the mean face, frontal, under the best similarity to the truth [n 68 2]."""
    place = np.asarray(recon_geometry.CAMERA.project(face.model.template - face.model.template.mean(0, keepdims=True)))
    flat = place[np.asarray(face.model.landmarks), :2]
    p, q = (flat[:, 0] + 1j * flat[:, 1])[None], truth[..., 0] + 1j * truth[..., 1]
    p0, q0 = p - p.mean(), q - q.mean(-1, keepdims=True)
    fitted = q.mean(-1, keepdims=True) + (p0.conj() * q0).sum(-1, keepdims=True) / (np.abs(p0) ** 2).sum() * p0
    fitted = np.stack([fitted.real, fitted.imag], -1).astype(np.float32)
    return np.asarray(landmarks.over_eyes(jnp.asarray(fitted), jnp.asarray(truth)))


def knowledge(found: dict[str, np.ndarray], kind: str, truth: np.ndarray) -> dict[str, float]:
    """Mean correlation with those true coefficients that vary, directly (of one model only) and read out linearly."""
    features = np.concatenate([found["identity"], found["expression"]], axis=-1).astype(float)
    varies = np.flatnonzero(truth.std(0) > 0.02)
    read = [np.corrcoef(readout(features, truth[:, k].astype(float)), truth[:, k])[0, 1] for k in varies]
    numbers = {"readout": float(np.mean(read))}
    if found[kind].shape == truth.shape:
        direct = [np.corrcoef(found[kind][:, k] + 1e-9 * truth[:, k], truth[:, k])[0, 1] for k in varies]
        numbers["correlation"] = float(np.mean(direct))
    return numbers
