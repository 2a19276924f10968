"""`jaxtalk avatar fit`: one person's video to an avatar (RAD-NeRF's field, driven by landmarks as in GeneFace).

video --person_video--> frames, labels, poses, landmarks --configs/avatar--> field --> person/
"""

from pathlib import Path

from jaxtalk.data import person_video
from jaxtalk.errors import InputError
from jaxtalk.face import mediapipe_tracker
from jaxtalk.systems.avatar_options import FitOptions
from jaxtalk.train import loop


def run(options: FitOptions) -> Path:
    """Prepares and trains what is missing; returns the folder.

    Raises:
        InputError: an option is wrong, or the video is none that an avatar can be made of.
    """
    from configs import avatar  # configs import systems

    if options.steps < 1:
        raise InputError(f"--steps {options.steps}: must be at least 1")
    data = options.output / "data"
    person_video.prepare(
        options.video,
        data,
        size=options.size,
        track=options.track,
        mediapipe=mediapipe_tracker.task_file(options.tracker),
    )
    loop.run(avatar.Config(person=data, steps=options.steps).experiment(), options.output)
    return options.output
