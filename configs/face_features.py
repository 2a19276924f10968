"""FaceFeatures: telling people apart in aligned crops, trained on renders alone.

jaxtalk convert ict ICT-FaceKit ict.npz
jaxtalk train face_features --model ict.npz --renders data/people

No photograph of a person is in the training data: two thirds of the people are ICT-FaceKit's heads (MIT), the others
the built-in one, with random shapes and procedural skins, before patterns and ten photographs without people. Views of
one person differ in expression, pose, distance, light, camera and what is in front; each crop is mirrored, relit,
blurred, compressed and set before another background.

The shipped weights took 1,200 steps of 64 crops on 9,000 renders of 1,500 people: eleven minutes of CPU time, 24 on the
clock of two cores that much other work shared (rendering had taken eight). AUC of 75 people held out, spoilt alike, was
0.840 after 200 steps, 0.916 after 400, 0.946 after 800 and 0.949 at the end. On real videos: docs/identity.md.

CosFace over 1,425 learnt prototypes was at chance after 150 steps and was given up for the contrastive loss.
"""

import dataclasses
import io
from pathlib import Path

import grain
import jax
import jax.numpy as jnp
import numpy as np
import optax
from PIL import Image

from jaxtalk.data import backgrounds, face_augment, face_renders, head_mesh, host_rows, render_set
from jaxtalk.face import align
from jaxtalk.face.crop import Frame, resample
from jaxtalk.io import weights
from jaxtalk.io.image import jpeg
from jaxtalk.losses import identity as losses
from jaxtalk.metrics.auc import auc
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import face_features
from jaxtalk.train import state as train_state
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.step import make_step

SIZE, MARGIN = 128, 1.95  # of a render: pixels, and its side over that of its face
VIEWS = 6  # renders of each person
HELD_OUT = 0.05  # share of the people


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Trains FaceFeatures on several views of each of many rendered people."""

    model: Path | None = None
    """Face model from `jaxtalk convert ict` for two thirds of the people; the built-in one for the others, or all."""
    renders: Path = Path("data/people")
    """Folder for the renders, which are made first where they are missing (about six a second on one core)."""
    people: int = 1500
    backgrounds: int = 2000
    """How many backgrounds to make up."""
    batch: int = 64
    steps: int = 1200
    rate: float = 2e-3
    seed: int = 0

    def experiment(self) -> Experiment:
        task = Task(self)
        return Experiment(
            name="face_features",
            init=task.init,
            step=make_step(task.loss, task.optimizer, average=0.99),
            data=task.data,
            steps=self.steps,
            evaluate=task.evaluate,
            export=task.export,
            seed=self.seed,
            log_every=50,
            evaluate_every=200,
            save_every=200,
        )


class Task:
    """The renders and the pure functions of one run."""

    def __init__(self, config: Config):
        self.config = config
        self.network = face_features.FaceFeatures(face_features.Config())
        rate = optax.warmup_cosine_decay_schedule(0.0, config.rate, min(50, config.steps // 2), config.steps)
        self.optimizer = optax.chain(optax.clip_by_global_norm(5.0), optax.adamw(rate, weight_decay=5e-4))
        self.backgrounds = backgrounds.bank(0, config.backgrounds, face_features.SIZE, backgrounds.photographs())
        self.grain = face_augment.grain(3)
        self.sets = write_renders(config.model, config.renders, config.people)
        people = np.concatenate([self._people(k, renders) for k, renders in enumerate(self.sets)])
        held_out = np.random.default_rng(0).permutation(len(people))[: max(2, round(HELD_OUT * len(people)))]
        self.held_out = people[np.sort(held_out)]  # rows of (which set, which person)
        self.people = np.delete(people, held_out, axis=0)

    @staticmethod
    def _people(which, renders):
        count = len(renders) // VIEWS
        return np.stack([np.full(count, which), np.arange(count)], axis=-1)

    def init(self, rng):
        variables = self.network.init(rng, jnp.zeros((1, face_features.SIZE, face_features.SIZE, 3)))
        return train_state.create(variables, self.optimizer, rng)

    def data(self):
        order = grain.MapDataset.range(len(self.people)).seed(self.config.seed).shuffle().repeat()
        pairs = order.random_map(self.pair).batch(self.config.batch // 2)
        batches = pairs.map(_side_by_side).map_with_index(self.crops).map(host_rows.own)
        # The default would make 500 batches before the first step.
        return batches.to_iter_dataset(grain.ReadOptions(num_threads=2, prefetch_buffer_size=8))

    def pair(self, person: int, rng: np.random.Generator):
        """Two views of a person, each [2 ...]."""
        views = rng.choice(VIEWS, 2, replace=False)
        both = [self.example(self.people, int(person) * VIEWS + int(view), rng) for view in views]
        return {name: np.stack([one[name] for one in both]) for name in both[0]}

    def example(self, people, index: int, rng: np.random.Generator):
        person, view = divmod(index, VIEWS)
        which, row = people[person]
        image, points = self.sets[which][int(row) * VIEWS + view]
        background = self.backgrounds[rng.integers(len(self.backgrounds))]
        return {"image": image, "points": points, "background": background, "person": np.int32(person)}

    def crops(self, index: int, batch) -> dict[str, np.ndarray]:
        """The augmented batch: made here, not in the step, so that the compiler does not fuse it with the network."""
        keys = jax.random.split(jax.random.fold_in(jax.random.key(self.config.seed), index))
        images = _cut_out(keys[0], *(jnp.asarray(batch[name]) for name in ("image", "points", "background")))
        images = np.asarray(face_augment.spoil(keys[1], images, self.grain))
        rng = np.random.default_rng([self.config.seed, index])
        images = np.stack([_compress(rng, image) for image in images])
        return {"image": images.astype(np.float32) / 127.5 - 1.0, "person": np.asarray(batch["person"])}

    def loss(self, params, stats, batch, rng):
        answer, updates = self.network.apply(
            {"params": params, "batch_stats": stats}, batch["image"], train=True, mutable="batch_stats"
        )
        loss, right = losses.supervised_contrastive(answer.embedding, batch["person"])
        metrics = {"contrastive": Mean.of(loss), "right": Mean.of(right.astype(jnp.float32))}
        return loss.mean(), (updates["batch_stats"], metrics)

    def evaluate(self, state) -> dict[str, float]:
        """AUC of pairs of one person against pairs of two, of people that were not trained on, augmented alike."""
        network, rng, found, block = jax.jit(self.network.apply), np.random.default_rng(1), [], 64
        total = len(self.held_out) * VIEWS
        for start in range(0, total, block):
            rows = [self.example(self.held_out, i % total, rng) for i in range(start, start + block)]
            batch = self.crops(start, {k: np.stack([row[k] for row in rows]) for k in rows[0]})
            found.append(network(state.variables, batch["image"]).embedding)
        embedding = np.concatenate(found)[:total]
        return {"held_out_auc": pair_auc(embedding, np.arange(total) // VIEWS)}

    def export(self, state, folder: Path) -> None:
        save(folder / "face_features.safetensors", state.variables)


def pair_auc(embedding: np.ndarray, person: np.ndarray) -> float:
    """AUC of the cosines of pairs of one person against those of pairs of two."""
    first, second = np.triu_indices(len(embedding), 1)
    cosine = (embedding @ embedding.T)[first, second]
    same = person[first] == person[second]
    return float(auc(jnp.asarray(cosine[same]), jnp.asarray(cosine[~same])))


def save(path: Path, variables) -> None:
    """Weights for users."""
    made = weights.Weights(
        variables=variables,
        name="face-identity-jaxtalk",
        config=weights.config_values(face_features.Config()),
        licence="Apache-2.0",
        note="Trained on renders of ICT-FaceKit heads (MIT) and of the built-in head with procedural skins alone; "
        "see configs/face_features.py.",
    )
    weights.save(path, made, half=True)


def write_renders(model: Path | None, folder: Path, people: int) -> list[render_set.RenderSet]:
    """Views of people, where they are missing: of the given model and of the built-in one."""
    counts = {"given": people - people // 3, "built_in": people // 3} if model else {"built_in": people}
    for name, count in counts.items():
        _write(model if name == "given" else None, folder / name, count)
    return [render_set.RenderSet(folder / name) for name in counts]


def _write(model, folder, people):
    made = []

    def render(index):
        if not made:
            made.append(face_renders.make_renderer(head_mesh.load(model), SIZE, MARGIN))
        return made[0](index // VIEWS, view=index % VIEWS)

    render_set.write(folder, render, range(people * VIEWS))


@jax.jit
def _cut_out(key, renders, landmarks, backgrounds):
    """Aligned crops [b 96 96 3] from 0 to 1 over backgrounds, every other one mirrored, a little off."""

    def one(key, render, points, background):
        keys = jax.random.split(key, 6)
        wrong = jax.random.normal(keys[0], (68, 2)) * 0.6 + jax.random.normal(keys[1], (2,))[None]  # pixels
        frame = align.aligned_frame(points + wrong)
        side = frame.side * jnp.exp(0.03 * jax.random.normal(keys[2]))
        frame = Frame(frame.centre, side, frame.angle + 0.03 * jax.random.normal(keys[3]))
        crop = resample(render, frame, face_features.SIZE) / 255
        image = background + (crop[..., :3] - background) * crop[..., 3:]
        return jnp.where(jax.random.bernoulli(keys[4]), image[:, ::-1], image)

    keys = jax.random.split(key, len(renders) + 1)
    return jax.vmap(one)(keys[1:], renders, landmarks, face_augment.recolour(keys[0], backgrounds))


def _compress(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """What is left after a small video: fewer pixels, then JPEG; uint8."""
    picture = Image.fromarray((image.clip(0, 1) * 255).astype(np.uint8))
    if rng.random() < 0.5:
        small = int(picture.width * rng.uniform(0.35, 1.0))
        picture = picture.resize((small, small), Image.Resampling.BOX).resize(picture.size, Image.Resampling.BICUBIC)
    if rng.random() < 0.6:
        picture = Image.open(io.BytesIO(jpeg(np.asarray(picture), int(rng.integers(15, 90)))))
    return np.asarray(picture)


def _side_by_side(batch):
    """[b 2 ...] -> [2 b ...]."""
    return {name: value.reshape(-1, *value.shape[2:]) for name, value in batch.items()}
