"""How far are the vertices of an animated mesh from those of the recorded one, and do they move as much?

LVE (also lip max error): MeshTalk (Richard et al., ICCV 2021), FaceFormer (Fan et al., CVPR 2022).
FDD: CodeTalker (Xing et al., CVPR 2023). MVE: FaceDiffuser (Stan et al., 2023). What the papers print under
one name was not computed in one way, and no figure means anything without the unit of its mesh:

| | distance of a vertex | lips | mean over |
|---|---|---|---|
| MeshTalk's code | Euclidean | each mesh less the mean of its own lip vertices | frames |
| FaceFormer's text | "L2 error" | chosen by hand, not released | frames |
| CodeTalker's code, and those who use it | squared: square units | a list for BIWI | frames of all clips as one |

BIWI's meshes in these systems are scaled to about a head of unit size, VOCASET's are in metres; the tables' "mm" holds
for neither. CodeTalker's FDD is signed, in the text and in its code, so clips that move too much make up for clips
that move too little: draw it clip by clip, or take the mean of its size. The text takes the norm of the motion, the
code the squared norm. FaceDiffuser prints MVE as a maximum in the text and takes the mean in its code.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


@functools.partial(jax.jit, static_argnames=("squared", "centred"))
def lip_vertex_error(
    predicted: Float[Array, "*b v 3"],
    truth: Float[Array, "*b v 3"],
    lips: Int[Array, "l"],
    *,
    squared: bool = False,
    centred: bool = False,
) -> Float[Array, "*b"]:
    """LVE of each frame: the largest Euclidean distance among the lip vertices. From 0, lower is better.

    In the unit of the mesh. CodeTalker's code: squared=True; MeshTalk's: centred=True.
    """
    ours, theirs = predicted[..., lips, :], truth[..., lips, :]
    if centred:
        ours, theirs = (points - points.mean(-2, keepdims=True) for points in (ours, theirs))
    largest = ((ours - theirs) ** 2).sum(-1).max(-1)
    return largest if squared else jnp.sqrt(largest)


@jax.jit
def vertex_error(predicted: Float[Array, "*b v 3"], truth: Float[Array, "*b v 3"]) -> Float[Array, "*b"]:
    """MVE of each frame: mean Euclidean distance of all vertices, in the unit of the mesh. From 0, lower is better.

    Vertices that no speech moves (scalp, neck) are part of the mean: a still face has a small error.
    """
    return jnp.linalg.norm(predicted - truth, axis=-1).mean(-1)


@functools.partial(jax.jit, static_argnames="squared")
def dynamics_deviation(
    predicted: Float[Array, "*b t v 3"],
    truth: Float[Array, "*b t v 3"],
    template: Float[Array, "*b v 3"],
    upper: Int[Array, "u"],
    *,
    squared: bool = False,
    known: Bool[Array, "*b t"] | None = None,
) -> Float[Array, "*b"]:
    """FDD of each clip: mean over upper-face vertices of dyn(truth) - dyn(predicted); 0 is best.

    dyn is the standard deviation over time (of the population) of the length of a vertex's motion from the speaker's
    template. Positive where the prediction moves less than the truth. In the unit of the mesh; squared=True takes the
    squared length, as CodeTalker's code does (its tables show 1e-5 of it). Frames that are not `known` (padding) do
    not count; 0 of no frame.
    """
    known = jnp.ones(truth.shape[:-2], bool) if known is None else known

    def dynamics(vertices):
        length = ((vertices[..., upper, :] - template[..., None, upper, :]) ** 2).sum(-1)
        length = length if squared else jnp.sqrt(length)
        return jnp.std(length, axis=-2, where=known[..., None]).mean(-1)

    return jnp.where(known.any(-1), dynamics(truth) - dynamics(predicted), 0.0)
