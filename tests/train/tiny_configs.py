"""Every trainable config of configs/ at a size that takes seconds, with stand-ins for what it reads from disk."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxtalk.train.experiment import Experiment

FOLDER = Path(__file__).parents[2] / "configs"
NAMES = sorted(path.stem for path in FOLDER.glob("[a-z]*.py") if not path.stem.startswith("eval_"))


def experiment(name: str, folder: Path, steps: int) -> Experiment:
    """The run of a config, without evaluation and export; `folder` is for what comes before it."""
    made = _TINY[name](folder, steps).experiment()
    return dataclasses.replace(
        made, evaluate=None, export=None, log_every=1, save_every=5, evaluate_every=10**6, steps=steps
    )


def _records():
    from jaxtalk.data import clip, corpus

    records = {"train": [clip.example(0, 0, i) for i in (0, 1)], "validation": [clip.example(0, 0, 9)]}
    corpus.read = lambda folder, split="train": records[split]
    return records


def _people(records) -> dict:
    """Sentences of the corpus pass for people."""
    from configs import expnet
    from jaxtalk.data import clips

    expnet.tracked = lambda folder, name: clips.synthetic(records["train"][int(name)])
    expnet._facegood = lambda folder, name: clips.synthetic(records["validation"][0])
    return {"facegood": Path("facegood"), "clips": Path("clips"), "names": ("0", "1")}


def _expnet(folder, steps):
    from configs import expnet

    _records()
    return expnet.Config(width=2, batch=8, steps=steps)


def _after_expnet(name: str):
    def make(folder, steps):
        import importlib

        from configs import expnet

        records = _records()
        first = expnet.Task(expnet.Config(width=2, batch=8))
        first.export_variables(first.folded(first.init(jax.random.key(0)).variables), folder)
        return importlib.import_module(f"configs.{name}").Config(
            width=2, batch=8, steps=steps, first=11, start=folder / "expnet.safetensors", **_people(records)
        )

    return make


def _lip_tcn(folder, steps):
    from configs import lip_tcn

    _records()
    return lip_tcn.Config(width=8, batch=8, steps=steps)


def _lip_tcn_people(folder, steps):
    from configs import lip_tcn, lip_tcn_people

    people = _people(_records())
    first = lip_tcn.Task(lip_tcn.Config(width=8, batch=8))
    first.export(first.init(jax.random.key(0)), folder)
    return lip_tcn_people.Config(width=8, batch=8, steps=steps, start=folder / "lip_tcn.safetensors", **people)


def _lip_sync(folder, steps):
    from configs import lip_sync
    from jaxtalk.models import lip_sync_net

    _records()
    network = lip_sync_net.Config(
        sound_width=8, sound_dilations=(2,), lips_width=8, lips_dilations=(1,), embedding=8, dropout=0.1
    )
    return lip_sync.Config(network=network, batch=8, steps=steps)


def _posevae(folder, steps):
    from configs import posevae

    _records()
    return posevae.Config(width=2, batch=4, steps=steps)


def _motion(name: str, **sizes):
    def make(folder, steps):
        import importlib

        from jaxtalk.data import talking_motion
        from jaxtalk.systems import motion_ear

        records, before = _records(), {}
        ear = motion_ear.ear("mel")
        own = talking_motion.of_recording(talking_motion.clips.synthetic(records["validation"][0]), ear)
        talking_motion.of_person = lambda folder, ear: talking_motion.Parts(own, own)
        if name == "motion_postnet":  # what comes before it
            made = _motion("audio2motion", **_AUDIO2MOTION)(folder, steps).experiment()
            made.export(made.init(jax.random.key(0)), folder)
            before = {"audio2motion": folder / "audio2motion.safetensors"}
        config = importlib.import_module(f"configs.{name}").Config
        return config(features="mel", frames=40, batch=8, steps=steps, **sizes, **before)

    return make


_AUDIO2MOTION = dict(width=8, encoder_layers=1, decoder_layers=1, flow_width=8, flow_layers=1)


def _mesh(name: str, **sizes):
    def make(folder, steps):
        import importlib

        _records()
        given, before = dict(corpus=Path("corpus"), features="mel", components=6, frames=20, fps=25.0, batch=8), {}
        if name == "codetalker":  # what comes before it
            made = _mesh("motion_prior", **_PRIOR)(folder, steps).experiment()
            made.export(made.init(jax.random.key(0)), folder)
            before = {"prior": folder / "motion_prior.safetensors"}
        config = importlib.import_module(f"configs.{name}").Config
        return config(steps=steps, **given, **sizes, **before)

    return make


_PRIOR = dict(width=8, layers=1, heads=2, hidden=8, codes=8, parts=2, code_width=4)


def _wav2lip(name: str, **sizes):
    def make(folder, steps):
        import importlib

        from configs import wav2lip_sync
        from jaxtalk.data.spoken_faces import SpokenFace

        rng, before = np.random.default_rng(0), {}
        clips = [
            SpokenFace(str(k), rng.integers(0, 256, (60, 96, 96, 3), np.uint8), rng.random((200, 80), np.float32))
            for k in range(2)
        ]
        wav2lip_sync.Faces.sources = lambda self: {"corpus": clips}
        if name == "wav2lip":  # what comes before it
            made = _wav2lip("wav2lip_sync", width=1)(folder, steps).experiment()
            made.export(made.init(jax.random.key(0)), folder)
            before = {"expert": folder / "wav2lip_syncnet.safetensors"}
        return importlib.import_module(f"configs.{name}").Config(batch=8, steps=steps, **sizes, **before)

    return make


def _fap(folder, steps):
    from configs import fap
    from jaxtalk.models import isodata

    records = _records()
    for split in records.values():
        for one in split:
            one |= {"speech": one["speech"][:80000], "expression": one["expression"][:125]}
    few = isodata.Config(expected=6, minimum=5, split=20.0, merge=60.0, iterations=8)
    return fap.Config(corpus=Path("corpus"), patterns=few, steps=steps, batch=32)


def _speech(name: str):
    def make(folder, steps):
        import importlib

        _records()
        tiny = dict(width=32, layers=1, conv_width=8, seconds=0.64, batch=4, steps=steps, kept=folder / "kept")
        return importlib.import_module(f"configs.{name}").Config(**tiny)

    return make


def _render(seed, *_, view=0):
    """Stands in for the renderer, which has tests of its own: a grey that tells the seed."""
    from jaxtalk.data.face_renders import Render

    seed = 7 * seed + view
    points = np.random.default_rng(seed % 97).normal(64, 20, (68, 2)).astype(np.float32)
    return Render(np.full((128, 128, 3), 20 + seed % 97, np.uint8), np.full((128, 128), 255, np.uint8), points)


def _renders(name: str, **sizes):
    def make(folder, steps):
        import importlib

        from jaxtalk.data import face_renders, head_mesh

        head_mesh.load = lambda path: path
        face_renders.make_renderer = lambda *_: _render
        config = importlib.import_module(f"configs.{name}").Config
        return config(renders=folder / "renders", backgrounds=4, batch=8, steps=steps, **sizes)

    return make


def _face_recon(folder, steps):
    from configs import face_recon as recipe
    from jaxtalk.face import builtin, builtin_albedo, recon_face

    rng = np.random.default_rng(0)
    records = [
        {"index": k, "expression": rng.random((20, 52)), "rotation": np.zeros((20, 3), np.float32),
         "translation": np.zeros((20, 3), np.float32), "identity": rng.normal(size=41)}
        for k in range(2)
    ]  # fmt: skip
    face = recon_face.build(builtin.model(), builtin_albedo.build(looks=3, components=2))
    project = jnp.asarray(rng.normal(size=(12, 5)), jnp.float32)
    recipe.corpus.read = lambda folder, split: records
    recipe.recon_frames.of_corpus = lambda records, size: _render
    recipe.recon_face.load = lambda path: face
    recipe.recognition = lambda path: (
        lambda x: x.reshape(len(x), 2, 48, 2, 48, 3).mean((2, 4)).reshape(-1, 12) @ project
    )
    recipe.BLOCK = 8
    return recipe.Config(
        renders=folder / "recon", clips=2, size=32, width=2, blocks=(1, 1), batch=8, steps=steps, backgrounds=4
    )


def _head(seed: int, frames: int = 8, size: int = 16):
    """Noise passes for heads."""
    from jaxtalk.data import head_clips

    rng = np.random.default_rng(seed)
    motion = [rng.normal(0, 0.2, (frames, n)).astype(np.float32) for n in (52, 3, 3)]
    pictures = rng.integers(0, 256, (frames, size, size, 3)).astype(np.uint8)
    return head_clips.HeadClip(str(seed), str(seed), pictures, np.arange(frames), *motion)


def _face_vid2vid(name: str):
    def make(folder, steps):
        import importlib

        config = importlib.import_module(f"configs.{name}").Config
        return config(networks=_vid2vid(), size=16, scales=(1, 2), batch=2, steps=steps)

    return make


def _vid2vid():
    """Networks, and stand-ins for clips and features."""
    from configs import face_vid2vid
    from jaxtalk.models import dense_motion, head_pose, keypoints, vid2vid_discriminator, vid2vid_generator

    face_vid2vid.clips = lambda given: ([_head(0), _head(1)], [_head(2)])
    face_vid2vid.own_features = lambda: lambda image: [image]
    return face_vid2vid.Networks(
        detector=keypoints.Config(points=3, width=4, blocks=1, depth=2),
        estimator=head_pose.Config(points=3, width=4, blocks=(1, 1)),
        generator=vid2vid_generator.Config(
            width=4, depth=2, volume_blocks=1, middle_blocks=1, hidden=4,
            motion=dense_motion.Config(compressed=2, width=4, blocks=1, window=3),
        ),
        discriminator=vid2vid_discriminator.Config(width=4, blocks=2, spectral=True),
    )  # fmt: skip


def _motion_mapping(folder, steps):
    from configs import motion_mapping as config
    from jaxtalk.models import motion_mapping

    effect = np.random.default_rng(9).normal(0, 0.1, (52, 9)).astype(np.float32)

    def see(chosen):
        points = (chosen.expression[chosen.shown] @ effect).reshape(-1, 3, 3)
        return {"canonical": points * 0, "points": points, "angles": np.zeros((len(points), 3), np.float32)}

    config.seer = lambda folder: see
    config.face_vid2vid.clips = lambda given: ([_head(k) for k in range(4)], [_head(4)])
    network = motion_mapping.Config(coefficients=config.OURS, width=16, layers=1, keypoints=3)
    return config.Config(networks=folder, network=network, batch=8, steps=steps)


def _face_scene(folder, steps):
    from configs import face_scene

    return face_scene.Config(
        views=3, held_out=1, size=16, levels=2, finest=16, log2_rows=8, width=8, cells=16, most=16, rays=32, samples=4,
        steps=steps,
    )  # fmt: skip


def _avatar(folder, steps):
    from configs import avatar

    avatar.footage = lambda config: (footage(6), footage(2))
    return avatar.Config(
        levels=2, finest=16, log2_rows=8, width=8, cells=16, most=16, frames=2, pixels=16, samples=4, steps=steps
    )


def _avatar_vanilla(folder, steps):
    from configs import avatar, avatar_vanilla

    avatar.footage = lambda config: (footage(6), footage(2))
    return avatar_vanilla.Config(width=8, layers=2, coarse=4, fine=4, frames=2, pixels=16, steps=steps)


def _drawn_face(size: int) -> np.ndarray:
    """Landmarks of a face in the middle of a picture [68 2]."""
    from jaxtalk.face import builtin

    points = np.asarray(builtin.model().template[builtin.model().landmarks])
    return (size / 2 + 2 * size * np.stack([points[:, 0], -points[:, 1]], -1)).astype(np.float32)


def footage(frames: int, size: int = 16):
    """A grey head that goes from left to right over black, and a torso; the picture is half a metre wide."""
    from jaxtalk.data.avatar_frames import Footage
    from jaxtalk.face import builtin
    from jaxtalk.face.camera import Pinhole

    aside = np.linspace(-0.025, 0.025, frames).astype(np.float32)
    face = builtin.model()
    y, x = np.mgrid[:size, :size] + 0.5
    head = [np.hypot(x - size / 2 - 2 * size * a, y - size / 2) < size / 5 for a in aside]
    shares = np.stack([np.stack([one, ~one & (y > 0.8 * size)], -1) for one in head]).astype(np.uint8)
    return Footage(
        pictures=(shares @ np.array([[120, 140, 160], [60, 70, 80]])).astype(np.uint8),
        shares=255 * shares,
        landmarks=_drawn_face(size) + 2 * size * np.stack([aside, 0 * aside], -1)[:, None],
        windows=np.random.default_rng(0).normal(size=(frames, 5, 1, 12)).astype(np.float32),
        eyes=np.linspace(0, 1, frames).astype(np.float32)[:, None],
        rotation=np.tile(np.eye(3, dtype=np.float32), (frames, 1, 1)),
        translation=np.stack([aside, 0 * aside, 0 * aside], -1),
        sway=np.tile(np.eye(2, 3, dtype=np.float32), (frames, 1, 1)),
        mean=np.asarray(face.template[face.landmarks[jnp.array([8, 30, 51, 57])]]),
        spread=np.full((4, 3), 2e-3, np.float32),
        identity=np.zeros(len(face.identity), np.float32),
        camera=Pinhole(jnp.float32(2 * size), jnp.full(2, size / 2), jnp.float32(1.0)),
        background=np.zeros((size, size, 3), np.uint8),
    )


_TINY: dict[str, Callable] = {
    "expnet": _expnet,
    **{name: _after_expnet(name) for name in ("expnet_upper", "expnet_people", "expnet_distill")},
    "lip_tcn": _lip_tcn,
    "lip_tcn_people": _lip_tcn_people,
    "lip_sync": _lip_sync,
    "posevae": _posevae,
    "motion_sync": _motion("motion_sync", width=2),
    "audio2motion": _motion("audio2motion", **_AUDIO2MOTION),
    "motion_postnet": _motion("motion_postnet", width=4),
    "pose_wavenet": _motion("pose_wavenet", width=8, hearing=8),
    "motion_prior": _mesh("motion_prior", revive=3, **_PRIOR),
    **{name: _mesh(name, width=8, heads=2, hidden=8) for name in ("codetalker", "faceformer")},
    "voca": _mesh("voca", widths=(8, 8), hidden=8, expression=4),
    "wav2lip_sync": _wav2lip("wav2lip_sync", width=1),
    "wav2lip": _wav2lip("wav2lip", width=2, judge_width=1, quality=0.07),
    "fap": _fap,
    **{name: _speech(name) for name in ("hubert", "wav2vec2")},
    **{name: _renders(name, count=8) for name in ("face_detector", "landmarks")},
    "face_features": _renders("face_features", people=10),
    "face_recon": _face_recon,
    **{name: _face_vid2vid(name) for name in ("face_vid2vid", "face_vid2vid_published")},
    "motion_mapping": _motion_mapping,
    "face_scene": _face_scene,
    "avatar": _avatar,
    "avatar_vanilla": _avatar_vanilla,
}
