"""FaceDetector: where faces are, trained on rendered heads pasted into pictures without faces.

jaxtalk convert ict ICT-FaceKit ict.npz
jaxtalk train face_detector --model ict.npz --renders data/wide_heads

No real face is in the training data. The shipped weights took 5,300 steps of 32 scenes (2,500 heads, 1,500 animals) in
two runs of this recipe, 26 minutes on two CPU cores shared with other work (about 0.15 s of CPU time a step). With
LandmarkNet's check behind it, it finds the face in all eight human test portraits (photos, paintings, a cartoon) and in
every video frame tried, of 28 pixels and more.
"""

import dataclasses
import functools
from pathlib import Path

import grain
import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtalk.data import backgrounds, detector_scenes, face_augment, face_renders, head_mesh, host_rows, render_set
from jaxtalk.io import weights
from jaxtalk.losses.detection import detection
from jaxtalk.metrics.mean import Mean
from jaxtalk.models import face_detector
from jaxtalk.train import state as train_state
from jaxtalk.train.experiment import Experiment
from jaxtalk.train.step import make_step

SIZE, MARGIN = 128, 2.4  # of a render: pixels, and its side over that of its face
SCENE = 96  # pixels
HEADS = 2  # at most in one scene
FIRST_BEAST = 900_000  # seeds from here on are renders of what is no face
SHARE_OF_BEASTS = 0.15


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Trains FaceDetector on scenes with up to two rendered heads."""

    model: Path | None = None
    """Face model from `jaxtalk convert ict`; the built-in one where it is not given."""
    renders: Path = Path("data/wide_heads")
    """Folder for the renders, which are made first where they are missing (about ten a second on one core)."""
    count: int = 3000
    """How many heads to render, and a sixth more of what is no face."""
    backgrounds: int = 2500
    """How many backgrounds to make up."""
    batch: int = 32
    steps: int = 6000
    rate: float = 2e-3
    seed: int = 0

    def experiment(self) -> Experiment:
        task = Task(self)
        return Experiment(
            name="face_detector",
            init=task.init,
            step=make_step(task.loss, task.optimizer, average=0.998),
            data=task.data,
            steps=self.steps,
            export=task.export,
            seed=self.seed,
            log_every=100,
            save_every=1000,
        )


class Task:
    """The renders and the pure functions of one run."""

    def __init__(self, config: Config):
        self.config = config
        self.network = face_detector.FaceDetector(face_detector.Config())
        rate = optax.warmup_cosine_decay_schedule(0.0, config.rate, min(200, config.steps // 2), config.steps)
        self.optimizer = optax.chain(optax.clip_by_global_norm(5.0), optax.adamw(rate, weight_decay=1e-4))
        self.backgrounds = backgrounds.bank(5, config.backgrounds, SCENE, backgrounds.photographs())
        self.grain = 0.5 * face_augment.grain(3)
        mesh = functools.cache(lambda: face_renders.make_renderer(head_mesh.load(config.model), SIZE, MARGIN))
        render_set.write(config.renders / "heads", lambda seed: mesh()(seed), range(config.count))
        beasts = range(FIRST_BEAST, FIRST_BEAST + max(1, config.count // 6))
        render_set.write(config.renders / "beasts", lambda seed: mesh()(seed, True), beasts)
        self.heads = render_set.RenderSet(config.renders / "heads")
        self.beasts = render_set.RenderSet(config.renders / "beasts")

    def init(self, rng):
        return train_state.create(self.network.init(rng, jnp.zeros((1, SCENE, SCENE, 3))), self.optimizer, rng)

    def data(self):
        order = grain.MapDataset.range(self.config.batch * 1000).seed(self.config.seed).repeat()
        return order.random_map(self.example).batch(self.config.batch).map_with_index(self.scenes).map(host_rows.own)

    def example(self, _: int, rng: np.random.Generator):
        beast = rng.random(HEADS) < SHARE_OF_BEASTS
        sources = [self.beasts if b else self.heads for b in beast]
        images, points = zip(*[source[int(rng.integers(len(source)))] for source in sources], strict=True)
        background = self.backgrounds[rng.integers(len(self.backgrounds))]
        return {"image": np.stack(images), "points": np.stack(points), "face": ~beast, "background": background}

    def scenes(self, index: int, batch) -> dict[str, np.ndarray]:
        """The composed batch: made here, not in the step, so that the compiler does not fuse it with the network."""
        key = jax.random.fold_in(jax.random.key(self.config.seed), index)
        values = (jnp.asarray(batch[name]) for name in ("image", "points", "face", "background"))
        return {k: np.asarray(v) for k, v in detector_scenes.make_scenes(key, *values, self.grain)._asdict().items()}

    def loss(self, params, stats, batch, rng):
        cells, updates = self.network.apply(
            {"params": params, "batch_stats": stats}, batch["picture"], train=True, mutable="batch_stats"
        )
        focal, error = detection(*cells, face_detector.STRIDE, batch["middle"], batch["side"], batch["shown"])
        faces = jnp.maximum(batch["shown"].sum(), 1).astype(jnp.float32)
        terms = {"focal": Mean(focal.sum(), faces), "place_and_size": Mean(error.sum(), faces)}
        return terms["focal"].value() + 2 * terms["place_and_size"].value(), (updates["batch_stats"], terms)

    def export(self, state, folder: Path) -> None:
        note = "Trained on renders of ICT-FaceKit heads (MIT) with procedural skins; see configs/face_detector.py."
        weights.save(
            folder / "face_detector.safetensors",
            weights.Weights(
                variables=state.variables,
                name="face_detector",
                config=weights.config_values(self.network.config),
                licence="Apache-2.0",
                note=note,
            ),
            half=True,
        )
