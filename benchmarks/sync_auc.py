"""Does LipSyncNet tell synced from shifted speech on clips that it never learnt from? Tables and a figure.

    python benchmarks/sync_auc.py --start runs/lip_sync/lip_sync.safetensors --corpus data/corpus --facegood DIR \
        --clips DIR --listener runs/lip_tcn/lip_tcn.safetensors --shipped runs/lip_sync_people/lip_sync.safetensors

The open clips are left out in `--folds` groups: LipSyncNet learns as in the second stage of configs/lip_sync.py from
all other clips, and judges those left out. `--shipped` judges the clips that nothing learns from. Each clip is seen
with the landmarks of its track (MediaPipe's) and with our own networks' (`face.detect`), found in the video.

A window's score is its mean distance of lips and sound; AUC is the share of pairs of a window in sync and a window
shifted by 5 to 15 frames to either side, of any clip, in which the one in sync has the smaller distance. The baseline
is LipTCN: the product of heard and seen mouth opening, both standardised over the clip. No clip is shifted towards
the sound first, however late its own picture comes.
"""

import dataclasses
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from scipy.stats import rankdata
from tqdm import tqdm

from benchmarks.lip_correlation import TEST_CLIPS
from configs import lip_sync as config
from jaxtalk.audio import mel, speech_windows
from jaxtalk.data import clips, lip_clips
from jaxtalk.face import detect, landmarks, mouth
from jaxtalk.face.lip_shape import lip_shape
from jaxtalk.io import video, weights
from jaxtalk.metrics import lip_sync
from jaxtalk.models import lip_sync_net, lip_tcn

REACH = 15
SHIFTS = np.arange(-REACH, REACH + 1)
FAR = np.abs(SHIFTS) >= 5
WINDOWS = (5, 25, 50, 125)  # frames: 0.2, 1, 2 and 5 s
PIECE = 200  # frames: cnn2 is cut in pieces of 8 s
LONG = ("cnn2_25fps",)
OTHERS = ("peer_outputs/panel_original", "peer_outputs/panel_wav2lip", "peer_outputs/sadtalker_english_radio")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(config.Config):
    output: Path = Path("sync_auc.json")
    figure: Path | None = Path("docs/images/sync_offsets.png")
    own: Path = Path("runs/own_landmarks")
    """Folder where our own landmarks of the videos are kept."""
    shipped: Path | None = None
    listener: Path | None = None
    """LipTCN that never met people: the baseline on the open clips."""
    folds: int = 4
    steps: int = 150
    rate: float = 5e-4
    dropout: float = 0.3
    order: float = 10.0


def own(options: Options, name: str) -> lip_clips.LipClip:
    """A video with the landmarks that our own networks find in it at 25 frames/s; frames without are bridged."""
    path, file = options.clips / f"{name}.mp4", options.own / f"{Path(name).name}.npy"
    if not file.exists():
        found = list(detect.track(video.frames(path, fps=lip_sync_net.FPS)))
        points = np.stack([f.landmarks if f else np.full((68, 2), np.nan) for f in found]).astype(np.float32)
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, points)
    points = np.load(file)
    seen = np.flatnonzero(np.isfinite(points[:, 0, 0]))
    place = np.interp(np.arange(len(points)), seen, np.arange(len(seen)))
    points = np.pad(lip_clips.between(points[seen], place), ((0, 0), (0, 0), (0, 1)))
    return lip_clips.LipClip(Path(name).name, clips.listen(path), lip_sync_net.FPS, points, speech_windows.LEAD)


def pieces(clip: lip_clips.LipClip) -> list[lip_clips.LipClip]:
    """A long clip in parts, each as if it were a file of its own."""
    columns, step = int(PIECE * lip_sync_net.COLUMNS_PER_FRAME), round(PIECE * clip.fps / lip_sync_net.FPS)
    return [
        dataclasses.replace(
            clip,
            name=f"{clip.name}[{i}]",
            mel=speech_windows.normalise(clip.mel[i * columns : (i + 1) * columns]),
            landmarks=clip.landmarks[i * step : (i + 1) * step],
        )
        for i in range(len(clip.landmarks) // step)
    ]


def judged(network, params, clip: lip_clips.LipClip) -> np.ndarray:
    """Distance [t, 31] of each frame's lips and the sound at all shifts; NaN where there is no sound."""
    lips = np.asarray(lip_shape(jnp.asarray(clip.at_video_rate())))
    return distances(*lip_sync_net.embed(network, params, lips, clip.mel))


def distances(face: np.ndarray, sound: np.ndarray) -> np.ndarray:
    found = np.array(lip_sync.shifted_distances(jnp.asarray(face), jnp.asarray(sound), REACH))
    other = np.arange(len(face))[:, None] + SHIFTS
    found[(other < 0) | (other >= len(face))] = np.nan
    return found


def baseline(loaded: weights.Weights, clip: lip_clips.LipClip) -> np.ndarray:
    """Minus the product of heard and seen mouth opening, both standardised, at all shifts."""
    points = clip.at_video_rate()
    settings = lip_tcn.Config(**{**loaded.config, "dilations": tuple(loaded.config["dilations"])})
    expression, _ = lip_tcn.hear(settings, loaded.variables["params"], clip.mel)
    seconds = np.arange(len(points)) / lip_sync_net.FPS + speech_windows.LEAD
    heard = mouth.opening(jnp.asarray(lip_tcn.at(expression, seconds * mel.COLUMNS_PER_SECOND).clip(0, 1)))
    heard, seen = (
        np.asarray((x - x.mean()) / (x.std() + 1e-6)) for x in (heard, landmarks.lip_opening(jnp.asarray(points)))
    )
    other = np.arange(len(points))[:, None] + SHIFTS
    outside = (other < 0) | (other >= len(points))
    return np.where(outside, np.nan, -seen[:, None] * heard[other.clip(0, len(points) - 1)])


def window_means(distance: np.ndarray, frames: int | None) -> np.ndarray:
    """Means over all windows; of a whole clip over what there is."""
    if frames is None:
        return np.nanmean(distance, 0, keepdims=True)
    if len(distance) < frames:
        return np.zeros((0, len(SHIFTS)))
    return np.lib.stride_tricks.sliding_window_view(distance, frames, axis=0).mean(-1)


def auc(found: list[np.ndarray], frames: int | None, far=FAR) -> float:
    """Over all windows of all clips; see above."""
    means = np.concatenate([window_means(d, frames) for d in found])
    right, wrong = means[:, REACH], means[:, far].ravel()
    right, wrong = right[np.isfinite(right)], wrong[np.isfinite(wrong)]
    if not (len(right) and len(wrong)):
        return float("nan")
    rank = rankdata(-np.concatenate([right, wrong]))[: len(right)].sum()
    return float((rank - len(right) * (len(right) + 1) / 2) / (len(right) * len(wrong)))


def summary(found: list[np.ndarray]) -> dict[str, float]:
    """AUC for windows of several lengths and whole clips, and for the two shifts that are asked for."""
    row = {f"{frames / lip_sync_net.FPS:g} s": auc(found, frames) for frames in WINDOWS}
    row |= {"clip": auc(found, None)}
    row |= {f"1 s, by {shift}": auc(found, 25, np.abs(SHIFTS) == shift) for shift in (5, 10)}
    in_order = [m[0] < m[1] < m[2] for m in map(by_shift, found)]
    apart = dict(zip(("distance", "5 apart", "10 apart"), np.mean([*map(by_shift, found)], 0).tolist(), strict=True))
    return apart | row | {"clips in order 0 < 5 < 10": float(np.mean(in_order))}


def by_shift(distance: np.ndarray) -> list[float]:
    """Mean distance in sync, and 5 and 10 frames to either side."""
    mean = np.nanmean(distance, 0)
    return [float(mean[np.abs(SHIFTS) == shift].mean()) for shift in (0, 5, 10)]


def clip_row(name: str, distance: np.ndarray) -> str:
    mean = np.nanmean(distance, 0)
    confidence, offset = np.median(mean) - mean.min(), -SHIFTS[mean.argmin()]
    values = " | ".join(f"{v:.2f}" for v in [*by_shift(distance), auc([distance], 25)])
    return f"| {name} | {values} | {confidence:.2f} | {offset:+d} |"


def left_out(options: Options, task: config.Task) -> list[dict]:
    """For each fold the parameters that learnt from the other clips."""
    step, answers = jax.jit(task.step()), []
    for fold in range(options.folds):
        without = frozenset(range(fold, len(task.people), options.folds))
        batches = lip_clips.stream(task.sources(without), options.batch, options.seed)
        state = task.init(jax.random.key(options.seed))
        for i in tqdm(range(options.steps), desc=f"fold {fold}", disable=None):
            state, _ = step(state, batches[i])
        answers.append(state.variables["params"]["net"])
    return answers


def draw(path: Path, groups: dict[str, list[np.ndarray]]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 3), dpi=100)
    for name, found in groups.items():
        axes.plot(SHIFTS, np.mean([np.nanmean(d, 0) for d in found], 0), label=name)
    axes.set(xlabel="sound shifted by frames of 40 ms", ylabel="mean distance of lips and sound")
    axes.legend(frameon=False, fontsize=7)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.tight_layout()
    figure.savefig(path)


def main(options: Options) -> None:
    task = config.Task(options)
    network = options.network
    folds = left_out(options, task)
    start = weights.load(options.start).variables["params"]
    open_clips = {"track": task.people, "own": [own(options, f"video/{name}") for name in options.names]}
    groups = {}
    for kind, people in open_clips.items():
        groups[f"open clips, left out, {kind}"] = {
            p.name: judged(network, folds[i % options.folds], p) for i, p in enumerate(people)
        }
        groups[f"open clips, first stage alone, {kind}"] = {p.name: judged(network, start, p) for p in people}
        if options.listener:
            listener = weights.load(options.listener)
            groups[f"open clips, baseline, {kind}"] = {p.name: baseline(listener, p) for p in people}
    if options.shipped:
        shipped, ear = weights.load(options.shipped).variables["params"], weights.load(weights.shipped("lip_tcn"))
        tracked = [
            lip_clips.tracked(options.clips / f"video/{n}.mp4", options.clips / f"tracks/{n}.npz") for n in TEST_CLIPS
        ]
        seen = [own(options, f"video/{n}") for n in TEST_CLIPS] + [own(options, n) for n in OTHERS]
        for kind, people in {"track": tracked, "own": seen}.items():
            people = [part for p in people for part in (pieces(p) if p.name in LONG else [p])]
            groups[f"test clips, {kind}"] = {p.name: judged(network, shipped, p) for p in people}
            groups[f"test clips, baseline, {kind}"] = {p.name: baseline(ear, p) for p in people}
    report(options, groups)


def report(options: Options, groups: dict[str, dict[str, np.ndarray]]) -> None:
    rows = {name: summary(real(found)) for name, found in groups.items()}
    columns = list(next(iter(rows.values())))
    print("| |" + "".join(f" {c} |" for c in columns) + "\n|---|" + "---|" * len(columns))
    for name, row in rows.items():
        print(f"| {name} |" + "".join(f" {row[c]:.3f} |" for c in columns))
    for name, found in groups.items():
        if "baseline" not in name:
            print(f"\n{name}\n\n| clip | in sync | 5 apart | 10 apart | AUC 1 s | confidence | offset |")
            print("|---|" + "---|" * 6 + "\n" + "\n".join(clip_row(clip, d) for clip, d in found.items()))
    options.output.write_text(json.dumps(rows, indent=1))
    if options.figure:
        draw(options.figure, {n: real(f) for n, f in groups.items() if "baseline" not in n and "stage" not in n})


def real(found: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Without the videos that other systems made."""
    return [d for name, d in found.items() if name not in ("panel_wav2lip", "sadtalker_english_radio")]


if __name__ == "__main__":
    main(tyro.cli(Options))
