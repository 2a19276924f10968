"""How a person's torso moves through a clip: an affine map of the picture for each frame, found from the pixels.

    pictures, labels --mean of what is always torso--> reference --Gauss-Newton--> maps --> a sharper reference, again

A torso moves with its head, but not only: of a news reader's shifts the head's pose foretold 95 %, and of how the
shoulders turn and lean next to nothing. A radiance field of the torso that is told the pose alone smears what is left.
The maps take a pixel of a frame to its place on the reference, both in [-1, 1], so a torso that rests has identities.
"""

import functools
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.ndimage
from jaxtyping import Array, Float, Float32, UInt8

from jaxtalk.data import kept_steps

MOST = 256  # pixels a side that are looked at; larger pictures are shrunk
BLUR = 1.5  # pixels of those: how smooth pictures are when they are compared, so that slopes point the way
ALWAYS = 0.97  # share of the frames in which a pixel is torso, for it to be compared
FEWEST = 64  # pixels; with less nothing is followed
COMPARED = 2000  # pixels, about, of all there are
ROUNDS = 2  # of making the reference sharper
STEPS = 5  # of Gauss-Newton, of each frame and round
STIFF = 1e-3  # squared colours, of a place in [-1, 1]: what a pixel's share of a map's size costs
AT_ONCE = 64  # frames


class Followed(NamedTuple):
    """How far it is. A round looks at all frames twice: to make the reference, and to fit them to it."""

    back: Float[np.ndarray, "t 2 3"]  # from the reference to each frame, as the round before had it
    new: Float[np.ndarray, "t 2 3"]  # the same of this round, as far as it is
    colours: Float[np.ndarray, "n 3"]  # of the reference, summed over the frames
    step: Float[np.ndarray, ""]


def follow(
    pictures: UInt8[np.ndarray, "t s s 3"], labels: UInt8[np.ndarray, "t s s 2"], kept: Path | None = None
) -> Float32[np.ndarray, "t 2 3"]:
    """The map of every frame; identities where too little of a torso is seen.

    What is done is kept in the file `kept`, from which an interrupted call goes on.
    """
    shrink = -(-pictures.shape[1] // MOST)
    always = (labels[:, ::shrink, ::shrink, 1] > 230).mean(0) >= ALWAYS
    still = np.tile(np.eye(2, 3, dtype=np.float32), (len(pictures), 1, 1))
    if always.sum() < FEWEST:
        return still
    places = _places(always)
    places = places[:: max(1, len(places) // COMPARED)]
    parts = -(-len(pictures) // AT_ONCE)
    unknown = np.zeros((len(places), 3), np.float32)

    def go_on(reached: Followed) -> Followed:
        """`AT_ONCE` frames more."""
        back, new, colours, step = reached
        half, part = divmod(int(step), parts)
        chosen = slice(AT_ONCE * part, AT_ONCE * (part + 1))
        frames, maps = _blurred(pictures, shrink, chosen.start, chosen.stop), jnp.asarray(back[chosen])
        if half % 2 == 0:
            colours = (colours if part else unknown) + np.asarray(_sampled(frames, maps, places).sum(0))
        else:
            fitted = _fitted(frames, maps, places, jnp.asarray(colours / len(pictures), jnp.float32))
            new = np.concatenate([new[: chosen.start], fitted, new[chosen.stop :]])
        return Followed(new if half % 2 and part == parts - 1 else back, new, colours, step + 1)

    begin = lambda: Followed(still, still, unknown, np.float32(0))  # noqa: E731
    done = kept_steps.carried(kept, "following the torso", begin, go_on, 2 * ROUNDS * parts)
    return _inverse(np.asarray(done.back, np.float32))


def _blurred(pictures, shrink, start, end) -> Float32[np.ndarray, "t s s 3"]:
    part = pictures[start:end].astype(np.float32) / 255
    sigma = (0, BLUR * shrink, BLUR * shrink, 0)
    return scipy.ndimage.gaussian_filter(part, sigma)[:, ::shrink, ::shrink]


def _places(mask: np.ndarray) -> Float[Array, "n 2"]:
    """(x, y) in [-1, 1] of the pixels of a mask."""
    row, column = np.nonzero(mask)
    return jnp.asarray(2 * (np.stack([column, row], -1) + 0.5) / len(mask) - 1, jnp.float32)


@jax.jit
def _sampled(frames: Float[Array, "t s s 3"], maps: Float[Array, "t 2 3"], places: Float[Array, "n 2"]):
    """Colours [t n 3] of the frames where the maps take the places."""
    return jax.vmap(lambda frame, move: _look(frame, _moved(move, places)))(frames, maps)


@jax.jit
def _fitted(frames, maps, places, reference: Float[Array, "n 3"]):
    """Maps under which the frames look most like the reference."""

    def fit(frame, move):
        def residual(move):
            return (_look(frame, _moved(move, places)) - reference).ravel() / np.sqrt(len(places))

        def step(move, _):
            slope = jax.jacfwd(residual)(move).reshape(-1, 6)
            away = (move - jnp.eye(2, 3)).ravel()
            pull = slope.T @ residual(move) + STIFF * away
            change = jnp.linalg.solve(slope.T @ slope + STIFF * jnp.eye(6), pull)
            return move - change.reshape(2, 3), None

        return jax.lax.scan(step, move, length=STEPS)[0]

    return jax.lax.map(lambda pair: fit(*pair), (frames, maps))


def _moved(move: Float[Array, "2 3"], places: Float[Array, "n 2"]) -> Float[Array, "n 2"]:
    return places @ move[:, :2].T + move[None, :, 2]


def _look(frame: Float[Array, "s s 3"], places: Float[Array, "n 2"]) -> Float[Array, "n 3"]:
    """Colours between pixels; beyond the picture those of its edge."""
    column, row = ((places + 1) / 2 * len(frame) - 0.5).T
    look = functools.partial(jax.scipy.ndimage.map_coordinates, order=1, mode="nearest")
    return jax.vmap(lambda channel: look(channel, [row, column]), in_axes=-1, out_axes=-1)(frame)


def _inverse(maps: Float[np.ndarray, "t 2 3"]) -> Float32[np.ndarray, "t 2 3"]:
    turn = np.linalg.inv(maps[:, :, :2])
    return np.concatenate([turn, -turn @ maps[:, :, 2:]], -1).astype(np.float32)
