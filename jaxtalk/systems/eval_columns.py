"""The columns of an evaluation: what each figure is called, what it needs, and whether more of it is better.

A figure that depends on a network has two columns: the published metric, which exists only with the published network,
and ours, with a name of its own, so that the two are never taken for each other.
"""

from collections.abc import Collection, Container, Iterable
from typing import Literal, NamedTuple

from jaxtalk.errors import InputError


class Column(NamedTuple):
    name: str
    title: str
    better: Literal["higher", "lower", ""]  # "": the figure of the true video is the aim
    needs: frozenset[str] = frozenset()  # of truth, sound
    network: str = ""  # name of the weights that it needs
    digits: int = 3
    default: bool = True  # measured when no metrics are asked for

    @property
    def head(self) -> str:
        """The title with an arrow that says which way is better."""
        return self.title + {"higher": " ↑", "lower": " ↓", "": ""}[self.better]


TRUTH, SOUND = frozenset({"truth"}), frozenset({"sound"})

COLUMNS = (
    Column("psnr", "PSNR dB", "higher", TRUTH, digits=2),
    Column("ssim", "SSIM", "higher", TRUTH),
    Column("ms_ssim", "MS-SSIM", "higher", TRUTH),
    Column("lpips", "LPIPS alex", "lower", TRUTH, "lpips_alex"),
    Column("lpips_vgg", "LPIPS vgg", "lower", TRUTH, "lpips_vgg"),
    Column("face_lpips", "face distance (ours)", "lower", TRUTH, "face_features"),
    Column("fid", "FID", "lower", TRUTH, "inception", digits=2),
    Column("face_fid", "face Fréchet (ours)", "lower", TRUTH, "face_features"),
    Column("niqe", "NIQE", "lower", frozenset(), "niqe", digits=2),
    Column("niqe_ours", "NIQE (ours)", "lower", frozenset(), "niqe_ours", digits=2),
    Column("cpbd", "CPBD", "higher"),
    Column("flicker", "flicker", "lower", digits=5, default=False),  # optical flow takes a second a frame
    Column("csim", "CSIM", "higher", TRUTH, "arcface"),
    Column("face_csim", "identity (ours)", "higher", TRUTH, "face_features"),
    Column("lmd", "LMD px", "lower", TRUTH, digits=2),
    Column("lmd_mouth", "LMD mouth px", "lower", TRUTH, digits=2),
    Column("aed", "AED", "lower", TRUTH),
    Column("apd", "APD rad", "lower", TRUTH),
    Column("lip_correlation", "lip correlation", "higher", TRUTH),
    Column("lip_dtw", "lip DTW", "lower", TRUTH, digits=4),
    Column("lse_d", "LSE-D", "lower", SOUND, "syncnet", digits=2),
    Column("lse_c", "LSE-C", "higher", SOUND, "syncnet", digits=2),
    Column("av_offset", "AV offset frames", "", SOUND, "syncnet", digits=1),
    Column("sync_score", "sync score", "higher", SOUND, "wav2lip_syncnet"),
    Column("sync_d", "sync distance (ours)", "lower", SOUND, "lip_sync"),
    Column("sync_c", "sync confidence (ours)", "higher", SOUND, "lip_sync"),
    Column("sync_offset", "sync offset (ours) frames", "", SOUND, "lip_sync", digits=1),
    Column("blink_rate", "blinks a minute", "", digits=1, default=False),
    Column("blink_seconds", "blink s", "", default=False),
    Column("head_turning", "head turning rad", ""),
    Column("beat_alignment", "beat alignment", "", SOUND),
    Column("jitter", "jitter eyes/s²", ""),
)

BY_NAME = {column.name: column for column in COLUMNS}


def choose(asked: Iterable[str], given: Collection[str], networks: Container[str]) -> tuple[Column, ...]:
    """The columns of a run: those asked for, or all by default that `given` (truth, sound) and networks allow.

    Raises:
        InputError: a name is unknown, or something that it needs is not there.
    """
    asked = tuple(asked)
    if not asked:
        return tuple(c for c in COLUMNS if c.default and not _missing(c, given, networks))
    if asked == ("all",):
        return tuple(c for c in COLUMNS if not _missing(c, given, networks))
    unknown = [name for name in asked if name not in BY_NAME]
    if unknown:
        raise InputError(f"--metrics {' '.join(unknown)}: no such metric; there are {', '.join(BY_NAME)}, or all")
    for column in (BY_NAME[name] for name in asked):
        if missing := _missing(column, given, networks):
            raise InputError(f"--metrics {column.name}: {missing}")
    return tuple(c for c in COLUMNS if c.name in asked)


def _missing(column: Column, given: Collection[str], networks: Container[str]) -> str:
    """What a user must add to get the column, or nothing."""
    ways = {"truth": "needs --truth VIDEO", "sound": "needs sound: --speech FILE, or a video that has some"}
    for need in column.needs - set(given):
        return ways[need]
    if column.network and column.network not in networks:
        return f"needs the network {column.network}; convert it (jaxtalk convert) into a folder for --networks"
    return ""
