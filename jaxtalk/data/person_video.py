"""One person's video as data for an avatar: what GeneFace and RAD-NeRF call process_data.

    video --person_scan--> landmarks, square --cut--> pictures --fit, rigid_pose--> face
    pictures, face --person_labels--> labels --still_background--> background          sound --> speech
                                             --torso_track--> torso

    FOLDER/settings.json    of what and how it is made: the video's SHA-256, size, tracker
    FOLDER/scan.npz         landmarks in the video's pixels, frames with a face, the square that is cut
    FOLDER/pictures.npy     uint8 [t s s 3]
    FOLDER/face.npz         `FACE`
    FOLDER/labels.npy       uint8 [t s s 2]: shares of head and torso, of 255
    FOLDER/background.npz   picture [s s 3], and where it was seen [s s]
    FOLDER/torso.npz        maps [t 2 3]: where each frame's torso would rest
    FOLDER/speech.npy       int16 [640 t], 16 kHz; missing where the video is silent
    FOLDER/person.json      what there is; written last

Each file appears whole or not at all and is made only where it is missing, so an interrupted run goes on at the step
that was broken off; the long ones go on within it, from what is kept in followed.npz, fitted.npz, swayed.npz and
*.part. The bytes are the same as without the interruption. A finished folder is used again if the settings are the
same: video, track and MediaPipe's model by SHA-256, side of the pictures, version.
"""

import dataclasses
import functools
import hashlib
import itertools
import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Float32, Int16, UInt8
from PIL import Image

from jaxtalk.audio import load
from jaxtalk.data import kept_steps, person_labels, person_scan, still_background, torso_track
from jaxtalk.data.clip import FPS, RATE, SAMPLES_PER_FRAME
from jaxtalk.data.person_scan import Scan
from jaxtalk.data.video_pieces import Square
from jaxtalk.errors import InputError
from jaxtalk.face import builtin, fit, head_outline, rigid_pose
from jaxtalk.face.camera import Pinhole
from jaxtalk.face.landmarks import eye_aspect_ratio
from jaxtalk.io import output, video

log = logging.getLogger("jaxtalk")

VERSION = "1.1.0"
SETTINGS, NOTE = "settings.json", "person.json"
FOLLOWED, FITTED, SWAYED = "followed.npz", "fitted.npz", "swayed.npz"  # while they are made
FACE = ("identity", "expression", "angles", "translation", "camera", "landmarks", "points", "eyes", "seen", "quality")
SILENT = 1e-3  # of full scale
HELD_OUT = 16 / 71  # share of the clip, at its end, that is for testing: GeneFace keeps about a tenth to a fifth
WIDE_OPEN = 0.95  # quantile of a clip's eye openings that counts as open
AT_ONCE = 16  # frames that are labelled together
PIECE = 8 * AT_ONCE  # frames after which what is cut or labelled is kept
BYTES = 5  # of a pixel of a frame, on the disk: colours and labels


@dataclasses.dataclass(frozen=True)
class PersonVideo:
    """A prepared folder. Large arrays are mapped from disk when they are first asked for."""

    folder: Path
    notes: dict

    @property
    def fps(self) -> float:
        return float(FPS)

    @property
    def frames(self) -> int:
        return self.notes["frames"]

    @property
    def size(self) -> int:
        return self.notes["size"]

    @property
    def train(self) -> slice:
        """Frames to learn from: of 71 s, the first 55."""
        return slice(0, self.frames - round(HELD_OUT * self.frames))

    @property
    def held_out(self) -> slice:
        """Frames to test with."""
        return slice(self.train.stop, self.frames)

    @functools.cached_property
    def pictures(self) -> UInt8[np.ndarray, "t s s 3"]:
        return np.load(self.folder / "pictures.npy", mmap_mode="r")

    @functools.cached_property
    def labels(self) -> UInt8[np.ndarray, "t s s 2"]:
        """Shares of head and torso, of 255; what is left is background."""
        return np.load(self.folder / "labels.npy", mmap_mode="r")

    @functools.cached_property
    def background(self) -> UInt8[np.ndarray, "s s 3"]:
        return self._arrays("background.npz")["picture"]

    @functools.cached_property
    def background_seen(self) -> Bool[np.ndarray, "s s"]:
        """Where the background is known; elsewhere it is made up."""
        return self._arrays("background.npz")["seen"]

    @functools.cached_property
    def sway(self) -> Float32[np.ndarray, "t 2 3"]:
        """How the torso moves (`torso_track`)."""
        return self._arrays("torso.npz")["maps"]

    @functools.cached_property
    def speech(self) -> Int16[np.ndarray, "n"] | None:
        """16 kHz, 640 samples a frame; None if the video is silent."""
        return np.load(self.folder / "speech.npy", mmap_mode="r") if self.notes["sound"] else None

    @functools.cached_property
    def face(self) -> dict[str, np.ndarray]:
        """`identity` [i], `expression` [t e], `angles` and `translation` [t 3], `camera` [4] (focal, centre, distance),
        `landmarks` [t 68 2] in pixels, `points` [t 68 3], `eyes` [t] (see below), `seen` [t], `quality` [4].
        """
        return self._arrays("face.npz")

    @property
    def camera(self) -> Pinhole:
        """Of all frames, in the pixels of the pictures."""
        focal, x, y, distance = jnp.asarray(self.face["camera"])
        return Pinhole(focal, jnp.stack([x, y]), distance)

    @property
    def eyes(self) -> Float[np.ndarray, "t"]:
        """How open the eyes are: 0 shut, 1 as wide as this person usually opens them."""
        return self.face["eyes"]

    @property
    def points(self) -> Float[np.ndarray, "t 68 3"]:
        """The 68 points of the fitted face before the pose, in metres."""
        return self.face["points"]

    @functools.cached_property
    def normal(self) -> tuple[Float[np.ndarray, "68 3"], Float[np.ndarray, "68 3"]]:
        """Mean and spread of the points over the frames that are learnt from."""
        points = self.points[self.train]
        return points.mean(0), np.maximum(points.std(0), 1e-5)

    @property
    def condition(self) -> Float[np.ndarray, "t 204"]:
        """GeneFace's condition: the points, less their mean, over their spread."""
        mean, spread = self.normal
        return ((self.points - mean) / spread).reshape(self.frames, -1).astype(np.float32)

    def behind_head(self, frame: int) -> UInt8[np.ndarray, "s s 3"]:
        """Torso over background where they are seen; behind the head, the background."""
        head = self.labels[frame, ..., :1].astype(np.float32) / 255
        return np.uint8(self.pictures[frame] * (1 - head) + self.background * head + 0.5)

    def _arrays(self, name: str) -> dict[str, np.ndarray]:
        with np.load(self.folder / name, allow_pickle=False) as file:
            return dict(file)


def read(folder: str | Path) -> PersonVideo:
    """The prepared person in a folder. InputError where none is, or none that is finished."""
    folder = Path(folder)
    try:
        notes = json.loads((folder / NOTE).read_text())
        found = notes["version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder}: holds no prepared person, or none that is finished; prepare a video") from error
    if found != VERSION:
        raise InputError(f"{folder}: is of version {found}, this is {VERSION}; prepare the video into another folder")
    return PersonVideo(folder, notes)


def prepare(
    path: Path, folder: Path, *, size: int = 256, track: Path | None = None, mediapipe: Path | None = None
) -> PersonVideo:
    """Makes what is missing in the folder.

    `size`: pixels, side of the pictures. `track`: the face in every frame, as `face.tracks` reads it. `mediapipe`: a
    landmarker's file. Without either the project's own networks follow the face.

    Raises:
        InputError: the video will not do (`person_scan`), or the folder is another's.
    """
    if not 32 <= size <= 1024:
        raise InputError(f"--size {size}: must be 32 to 1024 pixels")
    info = video.probe(path)
    settings = _settings(path, size, track, mediapipe)
    with kept_steps.claimed(folder, SETTINGS, settings, "prepared person", FOLLOWED):
        scan = _scan(folder, path, size, track, mediapipe)
    if (folder / NOTE).is_file():
        return read(folder)
    shape = (len(scan.seen), size, size)
    kept_steps.grown(
        folder / "pictures.npy", (*shape, 3), lambda start: _cut(path, scan, size, start), "cutting", PIECE
    )
    kept_steps.once(folder / "face.npz", lambda to: kept_steps.arrays(to, **_face(scan, size, folder / FITTED)))
    (folder / FITTED).unlink(missing_ok=True)
    sound = _speech(folder, path, info, len(scan.seen))
    half = PersonVideo(folder, {"frames": len(scan.seen), "size": size, "sound": sound})
    kept_steps.grown(folder / "labels.npy", (*shape, 2), lambda start: _label(half, start), "labelling", PIECE)
    kept_steps.once(folder / "background.npz", lambda to: _background(to, half))
    kept_steps.once(folder / "torso.npz", lambda to: _torso(to, half))
    (folder / SWAYED).unlink(missing_ok=True)
    with output.atomic(folder / NOTE) as to:
        to.write_text(json.dumps(_notes(half, scan, path), indent=1))
    return read(folder)


def _settings(path, size, track, mediapipe) -> dict:
    known = {name: _digest(file) for name, file in (("track", track), ("mediapipe", mediapipe)) if file}
    return {"version": VERSION, "size": size, "fps": FPS, "video_sha256": _digest(path), **known}


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def _scan(folder, path, size, track, mediapipe) -> Scan:
    file = folder / "scan.npz"
    if not file.is_file():
        _room(folder, video.probe(path), size)
        scan = person_scan.scan(path, track, mediapipe, kept=folder / FOLLOWED)
        if 2 * scan.square.side < size:
            raise InputError(
                f"{path}: head and shoulders have {scan.square.side} pixels; choose a --size of at most twice that"
            )
        kept_steps.once(file, lambda to: kept_steps.arrays(to, **scan._asdict()))
        (folder / FOLLOWED).unlink(missing_ok=True)
    with np.load(file, allow_pickle=False) as known:
        return Scan(known["landmarks"], known["seen"], Square(*known["square"].tolist()))


def _room(folder: Path, info: video.Info, size: int) -> None:
    """InputError if what the video becomes does not fit on the disk."""
    wanted, free = BYTES * size**2 * round(info.seconds * FPS) / 1e9, shutil.disk_usage(folder).free / 1e9
    if wanted > free:
        raise InputError(f"{folder}: {wanted:.1f} GB are needed there, {free:.1f} are free; use a smaller --size")


def _cut(path: Path, scan: Scan, size: int, start: int) -> Iterator[UInt8[np.ndarray, "s s 3"]]:
    """The square of each frame from `start` on."""
    left, top, side = scan.square
    for frame in itertools.islice(video.frames(path, fps=float(FPS)), start, len(scan.seen)):
        cut = Image.fromarray(frame[top : top + side, left : left + side])
        yield np.asarray(cut.resize((size, size), Image.Resampling.LANCZOS))


def _face(scan: Scan, size: int, kept: Path) -> dict[str, np.ndarray]:
    """`FACE`, of which `quality` is: error and shake in pixels of the fit, then of the rigid pose (`rigid_pose`)."""
    model, (left, top, side) = builtin.model(), scan.square
    places = ((scan.landmarks - np.float32([left, top])) * np.float32(size / side)).astype(np.float32)
    confidence = np.repeat(scan.seen[:, None], 68, axis=1).astype(np.float32)
    log.info("fitting the face of %d frames", len(places))
    carry = functools.partial(kept_steps.carried, kept, "fitting")
    fitted = fit.fit_sequence(model, jnp.asarray(places), confidence=jnp.asarray(confidence), carry=carry)
    rigid = rigid_pose.refine(model, fitted, places, scan.seen)
    still = jnp.zeros_like(fitted.angles)
    points = fit.landmarks(model, fitted._replace(angles=still, translation=still))
    eyes = _bridged(np.asarray(eye_aspect_ratio(jnp.asarray(places))), scan.seen)
    focal, centre, distance = (np.asarray(value) for value in fitted.camera)
    return {
        "identity": np.asarray(fitted.identity),
        "expression": np.asarray(fitted.expression),
        "angles": rigid.angles,
        "translation": rigid.translation,
        "camera": np.array([focal, *centre, distance], np.float32),
        "landmarks": places,
        "points": np.asarray(points),
        "eyes": np.clip(eyes / max(float(np.quantile(eyes, WIDE_OPEN)), 1e-6), 0.0, 1.0).astype(np.float32),
        "seen": scan.seen,
        "quality": np.array([*rigid_pose.quality(model, fitted, places, scan.seen), rigid.error, rigid.shake]),
    }


def _bridged(values, seen):
    place = np.arange(len(values))
    return np.interp(place, place[seen], values[seen])


def _speech(folder: Path, path: Path, info: video.Info, frames: int) -> bool:
    """Whether there is sound; writes it."""
    to = folder / "speech.npy"
    if to.is_file():
        return True
    samples = load.load(path, RATE) if info.has_sound else np.zeros(0, np.float32)
    if not np.abs(samples).max(initial=0.0) > SILENT:
        log.warning("%s: has no sound; a renderer can be trained, but nothing that listens to this person", path)
        return False
    samples = np.pad(samples, (0, max(0, frames * SAMPLES_PER_FRAME - len(samples))))[: frames * SAMPLES_PER_FRAME]
    with output.atomic(to) as temporary, temporary.open("wb") as file:
        np.save(file, (np.clip(samples, -1, 1) * 32767).astype(np.int16))
    return True


def _label(person: PersonVideo, start: int) -> Iterator[UInt8[np.ndarray, "s s 2"]]:
    """The labels of each frame from `start` on."""
    face = person.face
    fitted = fit.Fit(
        *(jnp.asarray(face[name]) for name in ("identity", "expression", "angles", "translation")),
        camera=person.camera,
        residual=jnp.zeros(person.frames),
    )
    outlines = head_outline.outlines(builtin.model(), fitted)
    known = person_labels.learn(person.pictures, outlines)
    for first in range(start, person.frames, AT_ONCE):
        part = slice(first, first + AT_ONCE)
        yield from person_labels.label(person.pictures[part], outlines[part], known)


def _background(to: Path, person: PersonVideo) -> None:
    picture, seen = still_background.picture(person.pictures, person.labels)
    kept_steps.arrays(to, picture=picture, seen=seen)


def _torso(to: Path, person: PersonVideo) -> None:
    kept_steps.arrays(to, maps=torso_track.follow(person.pictures, person.labels, person.folder / SWAYED))


def _notes(person: PersonVideo, scan: Scan, path: Path) -> dict:
    before, shake_before, error, shake = (round(float(x), 4) for x in person.face["quality"])
    return {
        "version": VERSION,
        "video": path.name,
        "frames": person.frames,
        "seconds": person.frames / FPS,
        "size": person.size,
        "sound": person.notes["sound"],
        "square": list(scan.square),
        "bridged": np.flatnonzero(~scan.seen).tolist(),
        "pixels": {"error": error, "shake": shake, "error_of_fit": before, "shake_of_fit": shake_before},
        "shares": [round(float(s), 4) for s in person.labels[:: max(1, person.frames // 50)].mean((0, 1, 2)) / 255],
        "background_seen": round(float(person.background_seen.mean()), 4),
    }
