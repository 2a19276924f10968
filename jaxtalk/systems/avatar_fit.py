"""`jaxtalk avatar fit`: one person's video to an avatar (RAD-NeRF's field, driven by landmarks as in GeneFace).

video --person_video--> frames, labels, poses, landmarks --configs/avatar--> field --> person/
"""

import logging
from pathlib import Path

from jaxtalk.data import person_video
from jaxtalk.errors import InputError
from jaxtalk.face import mediapipe_tracker
from jaxtalk.systems import avatar_store
from jaxtalk.systems.avatar_options import FitOptions
from jaxtalk.train import loop

log = logging.getLogger("jaxtalk")


def run(options: FitOptions) -> Path:
    """Prepares and trains what is missing; returns the folder.

    Raises:
        InputError: an option is wrong, or the video is none that an avatar can be made of.
    """
    from configs import avatar  # configs import systems

    if options.steps < 1:
        raise InputError(f"--steps {options.steps}: must be at least 1")
    data = options.output / "data"
    known = person_video.prepare(
        options.video,
        data,
        size=options.size,
        track=options.track,
        mediapipe=mediapipe_tracker.task_file(options.tracker),
    )
    experiment = avatar.Config(person=data, steps=options.steps).experiment()
    log.info("training %d steps; interrupt and call again to go on later", options.steps)
    loop.run(experiment, options.output)
    log.info("%s", told(options, known))
    return options.output


def told(options: FitOptions, known: person_video.PersonVideo) -> str:
    """What was made, and what to do next."""
    folder, learnt, kept = (
        options.output,
        known.train.stop / known.fps,
        f"{avatar_store.FIELD} and {avatar_store.PERSON}",
    )
    lines = [
        f"an avatar of {options.video.name}: {learnt:.0f} s learnt at {known.size} pixels, {options.steps} steps",
        f"look at {folder / 'held_out.png'}: frames it has not learnt from: as they are, as it draws them, head, torso",
        f"next: jaxtalk avatar render {folder} speech.wav -o out.mp4",
        f"the avatar is {kept}; {folder / 'data'} and {folder / 'checkpoints'} can be deleted",
    ]
    return "\njaxtalk: ".join(lines)
