"""LandmarkNet: 68 points of a face in a crop, trained on renders alone.

jaxtalk convert ict ICT-FaceKit ict.npz
jaxtalk train landmarks --model ict.npz --renders data/heads

No real face is in the training data: heads are ICT-FaceKit's (MIT) under procedural skins, over patterns and ten
photographs without people. The shipped weights took 7,600 steps of 64 crops (17,000 renders, then 7,000 more with lower
brows and fuller beards, and 2,300 of animals) in four restarts of this recipe while the renders were made, about
80 minutes on two CPU cores shared with other work (0.2 to 0.35 s of CPU time a step).

Mean error over the distance of the outer eye corners against MediaPipe's tracks, `detect.track` on every tenth frame:
0.041 over eight clips (HDTF 0.035 to 0.047, cnn2 0.035, MEAD 0.032 to 0.058; brows 0.065, jaw 0.047, lips 0.037) and
0.043 over 19 others, whose mean shape (low brows, wide jaws) decided how expressions and identities are drawn. After
500 steps it was 0.075 and 0.096, after 1,400 steps 0.052 and 0.061. (The renders came from the same mesh before it went
through `jaxtalk convert`: brows and lips were painted at ICT's own points, up to a millimetre or two away.)
"""

import dataclasses
import functools
from pathlib import Path

import grain
import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtalk.data import backgrounds, face_augment, face_renders, head_mesh, host_rows, render_set
from jaxtalk.io import weights
from jaxtalk.losses import landmarks as losses
from jaxtalk.metrics import mean
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import landmark_net
from jaxtalk.train import state as train_state
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.step import make_step

SIZE, MARGIN = 128, 1.5  # of a render: pixels, and its side over that of its face
FIRST_BEAST = 900_000  # seeds from here on are renders of what is no face
SHARE_OF_BEASTS = 0.07


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Trains LandmarkNet on rendered heads with random skins, lights, hair, glasses and backgrounds."""

    model: Path | None = None
    """Face model from `jaxtalk convert ict`; the built-in one where it is not given."""
    renders: Path = Path("data/heads")
    """Folder for the renders, which are made first where they are missing (about ten a second on one core)."""
    count: int = 24000
    """How many heads to render; one in fifty is held out for evaluation, and one in sixteen more is no face."""
    backgrounds: int = 4000
    """How many backgrounds to make up."""
    batch: int = 64
    steps: int = 10000
    rate: float = 1.5e-3
    seed: int = 0

    def experiment(self) -> Experiment:
        task = Task(self)
        return Experiment(
            name="landmarks",
            init=task.init,
            step=make_step(task.loss, task.optimizer, average=0.998),
            data=task.data,
            steps=self.steps,
            evaluate=task.evaluate,
            export=task.export,
            seed=self.seed,
            log_every=100,
            evaluate_every=1000,
            save_every=1000,
        )


class Task:
    """The renders and the pure functions of one run."""

    def __init__(self, config: Config):
        self.config = config
        self.network = landmark_net.LandmarkNet(landmark_net.Config())
        rate = optax.warmup_cosine_decay_schedule(0.0, config.rate, min(200, config.steps // 2), config.steps)
        self.optimizer = optax.chain(optax.clip_by_global_norm(5.0), optax.adamw(rate, weight_decay=1e-4))
        self.backgrounds = backgrounds.bank(0, config.backgrounds, landmark_net.SIZE, backgrounds.photographs())
        self.grain = face_augment.grain(3)
        write_renders(config.model, config.renders, config.count)
        self.heads = render_set.RenderSet(config.renders / "heads")
        self.beasts = render_set.RenderSet(config.renders / "beasts")
        self.held_out = max(1, len(self.heads) // 50)

    def init(self, rng):
        crop = jnp.zeros((1, landmark_net.SIZE, landmark_net.SIZE, 3))
        return train_state.create(self.network.init(rng, crop), self.optimizer, rng)

    def data(self):
        sources = [
            (grain.MapDataset.range(self.held_out, len(self.heads)), self.heads, True, 1 - SHARE_OF_BEASTS),
            (grain.MapDataset.range(len(self.beasts)), self.beasts, False, SHARE_OF_BEASTS),
        ]
        parts = [
            order.seed(self.config.seed + i).shuffle().repeat().random_map(functools.partial(self.example, heads, face))
            for i, (order, heads, face, _) in enumerate(sources)
        ]
        batches = grain.MapDataset.mix(parts, [share for *_, share in sources]).batch(self.config.batch)
        return batches.map_with_index(self.crops).map(host_rows.own)

    def example(self, heads, is_face: bool, index: int, rng: np.random.Generator):
        image, points = heads[int(index)]
        background = self.backgrounds[rng.integers(len(self.backgrounds))]
        return {"image": image, "points": points, "background": background, "face": np.bool_(is_face)}

    def crops(self, index: int, batch) -> dict[str, np.ndarray]:
        """The augmented batch: made here, not in the step, so that the compiler does not fuse it with the network."""
        key = jax.random.fold_in(jax.random.key(self.config.seed), index)
        values = (jnp.asarray(batch[name]) for name in ("image", "points", "face", "background"))
        return {k: np.asarray(v) for k, v in face_augment.make_crops(key, *values, self.grain)._asdict().items()}

    def loss(self, params, stats, batch, rng):
        answer, updates = self.network.apply(
            {"params": params, "batch_stats": stats}, batch["image"], train=True, mutable="batch_stats"
        )
        face = batch["face"].astype(jnp.float32)
        truth = batch["landmarks"]
        terms = {
            "likelihood": Mean.of(losses.gaussian(answer.landmarks, answer.log_spread, truth), face),
            "distance": Mean.of(losses.distance(answer.landmarks, truth), face),
            "face": Mean.of(optax.sigmoid_binary_cross_entropy(answer.face, face)),
        }
        total = terms["likelihood"].value() + 5 * terms["distance"].value() + 0.5 * terms["face"].value()
        terms["error_over_eyes"] = Mean.of(losses.over_eyes(answer.landmarks, truth), face)
        return total, (updates["batch_stats"], terms)

    def evaluate(self, state) -> dict[str, float]:
        """Error on heads that were not trained on, in crops as tracking gives them (jitter as in training)."""
        return evaluate(self, state.variables)

    def export(self, state, folder: Path) -> None:
        save(folder / "landmarks.safetensors", state.variables)


def evaluate(task: Task, variables) -> dict[str, float]:
    network = jax.jit(task.network.apply)
    total: dict[str, Mean] = {}
    rng = np.random.default_rng(1)
    for start in range(0, task.held_out, 100):
        block = range(start, min(start + 100, task.held_out))
        examples = [task.example(task.heads, True, i, rng) for i in block]
        crops = task.crops(start, {k: np.stack([e[k] for e in examples]) for k in examples[0]})
        answer = network(variables, crops["image"])
        face = jnp.asarray(crops["face"], jnp.float32)
        right = (answer.face > 0) == crops["face"]
        numbers = {
            "held_out_error_over_eyes": Mean.of(
                losses.over_eyes(answer.landmarks, jnp.asarray(crops["landmarks"])), face
            ),
            "held_out_face_right": Mean.of(right.astype(jnp.float32)),
        }
        total = mean.merged(total, numbers)
    return mean.values(total)


def save(path: Path, variables) -> None:
    """Weights for users."""
    network = landmark_net.Config()
    note = "Trained on renders of ICT-FaceKit heads (MIT) with procedural skins alone; see configs/landmarks.py."
    weights.save(
        path,
        weights.Weights(
            variables=variables,
            name="landmarks",
            config=weights.config_values(network),
            licence="Apache-2.0",
            note=note,
        ),
        half=True,
    )


def write_renders(model: Path | None, folder: Path, count: int) -> None:
    """Heads, and beasts that are none, where they are missing."""
    render = functools.cache(lambda: face_renders.make_renderer(head_mesh.load(model), SIZE, MARGIN))
    render_set.write(folder / "heads", lambda seed: render()(seed), range(count))
    beasts = range(FIRST_BEAST, FIRST_BEAST + max(1, count // 16))
    render_set.write(folder / "beasts", lambda seed: render()(seed, True), beasts)
