"""How the built-in head's lids slide over the eyeballs and the eyeballs turn: the shapes of the left (+x) eye. mm."""

import numpy as np

from jaxtalk.face import builtin_lids, builtin_mesh
from jaxtalk.face.builtin_lids import EYE, RADIUS

CLOSED = 0.18  # where the closed lids meet, from the lower edge (0) to the upper (1)
OVERLAP, OVERLAP_GAP = 1.0, 0.6  # mm: the closed upper lid comes down over the lower one, so that no eye stays open
FOLLOW = np.array([0.0, 0.05, 0.22, 0.5, 0.8])  # how much of the edge's way each ring of skin goes
LOOK = {  # (pitch down, yaw towards the temple) in degrees, and how far the upper and lower lid close
    "eyeLookDownLeft": ((30, 0), (0.6, -0.6)),
    "eyeLookUpLeft": ((-25, 0), (-0.3, 0.3)),
    "eyeLookInLeft": ((0, -30), (0, 0)),
    "eyeLookOutLeft": ((0, 32), (0, 0)),
}
LIDS = {"eyeBlinkLeft": (1.0, 1.0), "eyeWideLeft": (-0.32, -0.3), "eyeSquintLeft": (0.14, 1.5)}


def shapes(mesh: builtin_mesh.Part) -> dict:
    """Displacements of the seven shapes of the left eye."""
    result = {name: _lids(mesh, upper, lower, 0.0) for name, (upper, lower) in LIDS.items()}
    for name, ((pitch, yaw), (upper, lower)) in LOOK.items():
        result[name] = _lids(mesh, upper, lower, 2.5 * np.sign(yaw)) + _turn(mesh, np.radians(pitch), np.radians(yaw))
    return result


def _turn(mesh, pitch, yaw):
    ball = np.concatenate([mesh.grids[name].ravel() for name in ("eyeball", "pupil", "eyeback")])
    p = mesh.points[ball] - EYE
    cp, sp, cy, sy = np.cos(pitch), np.sin(pitch), np.cos(yaw), np.sin(yaw)
    down = np.stack([p[:, 0], cp * p[:, 1] - sp * p[:, 2], sp * p[:, 1] + cp * p[:, 2]], -1)
    turned = np.stack([cy * down[:, 0] + sy * down[:, 2], down[:, 1], cy * down[:, 2] - sy * down[:, 0]], -1)
    shape = np.zeros_like(mesh.points)
    shape[ball] = turned - p
    return shape


def _lids(mesh, upper, lower, sideways):
    """Lids closed by fractions of their way (1: they meet; negative: wider open) and dragged sideways by mm."""
    rings = mesh.grids["lids"]
    points = mesh.points[rings]
    outline = builtin_lids.opening()
    facing = outline[(-np.arange(builtin_lids.COLUMNS)) % builtin_lids.COLUMNS]
    is_upper = builtin_lids.is_upper()
    low = np.where(is_upper[:, None] == 1, facing, outline)
    high = np.where(is_upper[:, None] == 1, outline, facing)
    meet = low + CLOSED * (high - low)
    share = np.where(is_upper == 1, upper, np.where(is_upper == 0, lower, 0.0))[:, None]
    target = outline + share * (meet - outline)
    # dragged most in the middle of the lid, while the corners stay
    target[:, 0] += 0.6 * sideways * np.sin(np.pi * builtin_lids.fraction())
    moved = points.copy()
    up = np.where(is_upper == 1, 0.3, np.where(is_upper == 0, -0.3, 0))
    edge, wet, lining = builtin_lids.EDGE, builtin_lids.WET, builtin_lids.LINING
    over = np.clip(share[:, 0], 0, 1) * (is_upper == 1) * np.sin(np.pi * builtin_lids.fraction())
    target[:, 1] -= OVERLAP * over
    rest = builtin_lids.on_ball(outline, 0.3)
    moved[wet] = builtin_lids.on_ball(target, 0.3)
    moved[wet, :, 2] += OVERLAP_GAP * over
    lip = target + np.stack([0 * up, up], -1)
    lip_rest = outline + np.stack([0 * up, up], -1)
    moved[edge] += builtin_lids.on_ball(lip, 1.3) - builtin_lids.on_ball(lip_rest, 1.3)
    moved[edge, :, 2] += OVERLAP_GAP * over
    moved[lining] += 0.5 * (moved[wet] - rest)
    for ring, follow in enumerate(FOLLOW):
        moved[ring] = _off_ball(points[ring] + follow * (moved[edge] - points[edge]), points[ring])
    shape = np.zeros_like(mesh.points)
    shape[rings] = moved - points
    return shape


def _off_ball(points, rest):
    """Pushes skin that came nearer than 1.5 mm to the eyeball (or nearer than it was) out again."""
    offset = points - EYE
    distance = np.linalg.norm(offset, axis=-1)
    least = np.minimum(RADIUS + 1.5, np.linalg.norm(rest - EYE, axis=-1))
    return EYE + offset * np.maximum(1, least / distance)[:, None]
