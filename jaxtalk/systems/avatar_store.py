"""An avatar as files that can be carried elsewhere: its field, and what of the person's video drawing needs.

person/avatar.safetensors         parameters and occupancy
person/person.npz                 camera, face, poses, torso, eyes, landmarks' mean and spread, background
person/audio2motion.safetensors,  GeneFace's way to speak, if the PostNet was learnt
       postnet.safetensors
person/avatar.json                which files there are, with their SHA-256; written last
"""

import dataclasses
import json
import zipfile
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32, UInt8

from jaxtalk.data.person_video import PersonVideo
from jaxtalk.errors import InputError
from jaxtalk.face import rotation
from jaxtalk.face.camera import Pinhole
from jaxtalk.io import output, provenance, weights
from jaxtalk.models import radnerf
from jaxtalk.models.landmark_warp import Rest
from jaxtalk.render.march import Lattice
from jaxtalk.render.occupancy import Cells
from jaxtalk.systems.avatar_field import Avatar, Moment

FIELD, PERSON, MANIFEST = "avatar.safetensors", "person.npz", "avatar.json"
SPEECH = {"audio2motion": "audio2motion.safetensors", "postnet": "postnet.safetensors"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Person:
    """What of a video an avatar needs when it is drawn. t: the frames that were learnt from."""

    camera: Float32[np.ndarray, "4"]  # focal length, centre, distance
    identity: Float32[np.ndarray, "i"]
    expression: Float32[np.ndarray, "t e"]
    angles: Float32[np.ndarray, "t 3"]
    translation: Float32[np.ndarray, "t 3"]
    sway: Float32[np.ndarray, "t 2 3"]  # of the torso (`data.torso_track`)
    eyes: Float32[np.ndarray, "t"]
    mean: Float32[np.ndarray, "68 3"]  # of the fitted face's points
    spread: Float32[np.ndarray, "68 3"]
    reach: float  # of a landmark (`landmark_warp`); 0: the field does without
    background: UInt8[np.ndarray, "s s 3"]
    most: int  # samples on a ray

    @property
    def rest(self) -> Rest | None:
        return Rest(jnp.asarray(self.mean), jnp.asarray(self.spread), self.reach) if self.reach else None

    @property
    def pinhole(self) -> Pinhole:
        focal, x, y, distance = jnp.asarray(self.camera)
        return Pinhole(focal, jnp.stack([x, y]), distance)


def save(folder: Path, avatar: Avatar, variables: dict, video: PersonVideo, heads: Moment, note: str) -> None:
    """Writes field and person.

    `variables` are parameters, and occupancy under `batch_stats`; `heads` tells where they are in the frames learnt.
    """
    (folder / MANIFEST).unlink(missing_ok=True)
    made = weights.Weights(
        variables=variables,
        name="avatar",
        config=weights.config_values(avatar.network.config),
        licence="that of the video it was made of",
        note=note,
    )
    weights.save(folder / FIELD, made)
    chosen, face, (mean, spread) = video.train, video.face, video.normal
    person = Person(
        camera=face["camera"],
        identity=face["identity"],
        expression=face["expression"][chosen],
        angles=np.asarray(rotation.angles(heads.rotation)),
        translation=np.asarray(heads.translation),
        sway=video.sway[chosen],
        eyes=video.eyes[chosen],
        mean=mean,
        spread=spread,
        reach=avatar.rest.reach if avatar.rest else 0.0,
        background=video.background,
        most=avatar.lattice.most,
    )
    with output.atomic(folder / PERSON) as to, to.open("wb") as file:
        np.savez_compressed(file, **{f.name: getattr(person, f.name) for f in dataclasses.fields(Person)})


def finish(folder: Path, about: dict) -> None:
    """Writes the manifest of what is in the folder; `about`: what else it says, as JSON values."""
    names = [name for name in (FIELD, PERSON, *SPEECH.values()) if (folder / name).is_file()]
    made = {**about, "files": {name: provenance.sha256(folder / name) for name in names}}
    with output.atomic(folder / MANIFEST) as to:
        to.write_text(json.dumps(made, indent=1))


def check(folder: Path) -> None:
    """InputError if the folder lacks a file that its manifest, if there is one, names, or holds another for it."""
    if not (folder / MANIFEST).is_file():
        return
    try:
        named = dict(json.loads((folder / MANIFEST).read_text())["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder / MANIFEST}: is damaged; copy the folder again") from error
    for name, digest in named.items():
        if not (folder / name).is_file():
            raise InputError(f"{folder}: {name} is missing, which {MANIFEST} names; copy the whole folder")
        if provenance.sha256(folder / name) != digest:
            raise InputError(f"{folder / name}: is not the file that {MANIFEST} names; copy the whole folder again")


def load(folder: Path) -> tuple[Avatar, dict, Person]:
    """The avatar in a folder, its variables and its person.

    Raises:
        InputError: the folder holds none, or not all of it.
    """
    folder = Path(folder)
    check(folder)
    if not (folder / FIELD).is_file() or not (folder / PERSON).is_file():
        raise InputError(f"{folder}: holds no avatar ({FIELD} and {PERSON}); make one with jaxtalk avatar fit")
    stored = weights.load(folder / FIELD)
    try:
        with np.load(folder / PERSON, allow_pickle=False) as file:
            known = {f.name: file[f.name] for f in dataclasses.fields(Person)}
            person = Person(**known | {"most": int(known["most"]), "reach": float(known["reach"])})
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{folder / PERSON}: is damaged ({error}); take it from where it was made") from error
    network = radnerf.RadNerf(weights.config(radnerf.Config, stored))
    side = stored.variables["batch_stats"]["occupancy"].shape[1]
    lattice = Lattice(cells=Cells(side=side), most=person.most, growth=0.0)
    return Avatar(network, lattice, person.pinhole, len(person.background), person.rest), stored.variables, person
