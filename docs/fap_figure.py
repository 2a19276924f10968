"""Draws docs/images/fap.png: MPEG-4 parameters on the built-in face by feature points, visemes, expressions, people.

python docs/fap_figure.py
"""

import jax.numpy as jnp
import numpy as np
from PIL import Image

from jaxtalk.face import builtin, fap, fap_points, fap_stream, visemes
from jaxtalk.render import face_picture
from jaxtalk.systems import face_look

SIDE = 176
# Left and right, inner and outer lips move alike where the name says only one of them.
POSES = (
    {"open_jaw": 500, "raise_b_midlip": -560, "raise_b_lip_lm": -500, "push_b_lip": -250},
    {"stretch_l_cornerlip": 160, "raise_l_cornerlip": 400, "lift_l_cheek": 100},
    {"stretch_l_cornerlip": -160, "push_b_lip": 330, "push_t_lip": 330},
    {"close_t_l_eyelid": 850, "close_b_l_eyelid": 170},
    {"yaw_l_eyeball": 45_000, "raise_l_i_eyebrow": 140, "raise_l_m_eyebrow": 100},
    {"squeeze_l_eyebrow": 70, "raise_l_i_eyebrow": -80, "stretch_l_nose": 60, "lower_t_midlip": -150},
    {"puff_l_cheek": 180, "raise_l_ear": 250},
    {"head_pitch": 15_000, "head_yaw": 35_000, "head_roll": 12_000},
)
CHOSEN = (1, 2, 3, 6, 10, 11, 13, 14)  # visemes


def stream_of(pose: dict[str, int]) -> np.ndarray:
    """The pose's parameters, its twins filled in."""
    selected, values = np.zeros(68, bool), np.zeros((1, 68))
    for name, value in pose.items():
        selected[fap.COLUMN[name]], values[0, fap.COLUMN[name]] = True, value
    return fap_stream.complete(fap_stream.stream(values, 25.0, selected=selected))[0][0]


def row(rig: fap_points.Rig, faps: np.ndarray) -> np.ndarray:
    """Pictures side by side."""
    faps = jnp.asarray(faps, jnp.float32)
    model, albedo = face_look.dress(builtin.model(), rig.features)
    still = jnp.zeros((len(faps), 3))
    drawn = face_picture.draw(model, rig.displace(faps), fap_points.head_angles(faps), still, albedo, SIDE)
    return np.concatenate(list(np.asarray(drawn)), axis=1)


def main() -> None:
    rig = fap_points.rig(builtin.model())
    mouths, faces = visemes.parameters()
    surprise = faces[6] + stream_of({"yaw_l_eyeball": 20_000})
    rows = [row(rig, np.stack([stream_of(pose) for pose in POSES])), row(rig, mouths[list(CHOSEN)])]
    last = [row(rig, faces[1:])]
    for seed in (3, 4):
        identity = jnp.asarray(np.random.default_rng(seed).normal(size=len(builtin.model().identity)), jnp.float32)
        last.append(row(fap_points.rig(builtin.model(), identity), surprise[None]))
    rows.append(np.concatenate(last, axis=1))
    Image.fromarray(np.concatenate(rows)).quantize(200).save("docs/images/fap.png", optimize=True)


if __name__ == "__main__":
    main()
