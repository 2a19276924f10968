"""`jaxtalk avatar fit`: one person's video to an avatar (RAD-NeRF's field, driven by landmarks as in GeneFace).

video --person_video--> frames, labels, poses, landmarks --configs/avatar--> field ------------------------+
                        speech, face --configs/motion_postnet, if asked--> PostNet, with its Audio2Motion --+--> person/
"""

import logging
import shutil
from pathlib import Path

from jaxtalk import __version__
from jaxtalk.data import person_video
from jaxtalk.errors import InputError
from jaxtalk.face import mediapipe_tracker
from jaxtalk.io import output, video
from jaxtalk.systems import avatar_speech, avatar_store, spoken_motion
from jaxtalk.systems.avatar_options import FitOptions
from jaxtalk.train import loop

log = logging.getLogger("jaxtalk")


def run(options: FitOptions) -> Path:
    """Prepares and trains what is missing; returns the folder.

    Raises:
        InputError: an option is wrong, or the video is none that an avatar can be made of.
    """
    from configs import avatar  # configs import systems

    for name in ("steps", "postnet_steps"):
        if getattr(options, name) < 1:
            raise InputError(f"--{name.replace('_', '-')} {getattr(options, name)}: must be at least 1")
    talker = corrected(options)
    data = options.output / "data"
    known = person_video.prepare(
        options.video,
        data,
        size=options.size,
        track=options.track,
        mediapipe=mediapipe_tracker.task_file(options.tracker),
    )
    if talker and known.speech is None:
        raise InputError(
            f"{options.video}: is silent, and from silence no PostNet is learnt; leave --audio2motion away"
        )
    experiment = avatar.Config(person=data, steps=options.steps).experiment()
    log.info("training %d steps; interrupt and call again to go on later", options.steps)
    loop.run(experiment, options.output)
    if talker:
        learn_postnet(options, talker)
    about = {"made_by": f"jaxtalk {__version__}", "of": known.notes["video"], "frames": known.train.stop}
    avatar_store.finish(options.output, about | {"size": known.size, "steps": options.steps})
    log.info("%s", told(options, known))
    return options.output


def corrected(options: FitOptions) -> Path | None:
    """The Audio2Motion for which a PostNet is learnt, if one is. InputError if it or the video's sound will not do."""
    path = options.audio2motion
    if path is None:
        if options.corpus:
            raise InputError("--corpus: only a PostNet is learnt from it; add --audio2motion")
        return None
    avatar_speech.ear(spoken_motion.audio2motion(path), path)
    if not video.probe(options.video).has_sound:
        raise InputError(
            f"{options.video}: has no sound, and from silence no PostNet is learnt; leave --audio2motion away"
        )
    return path


def learn_postnet(options: FitOptions, talker: Path) -> None:
    """PostNet of the prepared person, into the folder, and beside it the Audio2Motion that it corrects."""
    from configs import motion_postnet

    data = options.output / "data"
    config = motion_postnet.Config(
        person=data,
        audio2motion=talker,
        features=avatar_speech.ear(spoken_motion.audio2motion(talker), talker),
        others=options.corpus is not None,
        corpus=options.corpus or Path("none"),
        batch=8,
        steps=options.postnet_steps,
    )
    log.info("training PostNet for %d steps", options.postnet_steps)
    loop.run(config.experiment(), data / "postnet")
    made = {"audio2motion": talker, "postnet": data / "postnet" / "motion_postnet.safetensors"}
    for name, path in made.items():
        with output.atomic(options.output / avatar_store.SPEECH[name]) as to:
            shutil.copyfile(path, to)


def told(options: FitOptions, known: person_video.PersonVideo) -> str:
    """What was made, and what to do next."""
    folder, learnt = options.output, known.train.stop / known.fps
    way = " --motion geneface" if (folder / avatar_store.SPEECH["postnet"]).is_file() else ""
    lines = [
        f"an avatar of {options.video.name}: {learnt:.0f} s learnt at {known.size} pixels, {options.steps} steps",
        f"look at {folder / 'held_out.png'}: frames it has not learnt from: as they are, as it draws them, head, torso",
        f"next: jaxtalk avatar render {folder} speech.wav -o out.mp4{way}",
        f"{avatar_store.MANIFEST} names its files; {folder / 'data'} and {folder / 'checkpoints'} can be deleted",
    ]
    return "\njaxtalk: ".join(lines)
