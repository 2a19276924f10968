"""The face crops that the published lip-sync networks were trained on, cut from frames of a video.

    landmarks or boxes [t] --track (median over 13 frames)--> squares [t] --syncnet_crop--> [224, 224, 3], 0 to 255
    landmark or box        --------------------------------------wav2lip_face-------------> [96, 96, 3], 0 to 255
                           --------------------------------------wav2lip_crop, its half---> [48, 96, 3], 0 to 1

Colours are in the order blue, green, red, as OpenCV reads pictures for both networks; frames are RGB as everywhere
here. Traps:

- Both networks saw boxes of the S3FD detector. The boxes of `jaxtalk.face.detect` hold the 68 landmarks, so they end at
  the brows: pass landmarks through `detector_box` first. It comes near S3FD's boxes, but figures that must agree with
  published ones to the second digit need S3FD's own.
- The published code enlarges and reduces with OpenCV's bilinear filter, which takes four pixels however much it
  reduces; Pillow's `resize` averages. `_resized` samples as OpenCV does, to within 1 of 255.
- It stores SyncNet's crops as XVID and then as JPEG, which smooths them a little; here they are as they are cut.
- Wav2Lip's evaluation of LRS2 reduces whole frames to 224x224, since they are face crops already.
- Videos must have 25 frames a second.
"""

import numpy as np
from jaxtyping import Float, Float32, Shaped, UInt8
from PIL import Image

from jaxtalk.errors import InputError

Frame = UInt8[np.ndarray, "h w 3"]

SYNCNET_SIDE, WAV2LIP_SIDE = 224, 96  # pixels
SMOOTHING = 13  # frames
_WIDEN = 0.40  # of half the box's longer side: what a SyncNet crop shows around the box
_GREY = 110  # beyond the frame's border
# Of the height of 68 landmarks: how far a detector trained on WIDER FACE goes above them. The median over 54 frames of
# 27 videos with an MTCNN; 0.26 to 0.39 in eight of ten. Its other sides lie within 0.06 of the landmarks.
_FOREHEAD = 0.31


def detector_box(landmarks: Float[np.ndarray, "*t 68 2"]) -> Float[np.ndarray, "*t 4"]:
    """About the box (left, top, right, bottom) that S3FD would give: that of the landmarks and the forehead."""
    low, high = landmarks.min(-2), landmarks.max(-2)
    low[..., 1] -= _FOREHEAD * (high - low)[..., 1]
    return np.concatenate([low, high], axis=-1)


def track(boxes: Float[np.ndarray, "t 4"]) -> Float[np.ndarray, "t 3"]:
    """Middle x, y and half the longer side of the box in each frame, each a running median over 13 frames.

    As in the published code, zeros lie beyond both ends, so that the first and last six frames take a lower value than
    the median of what is there. Clips of fewer than 13 frames have a median over as many (an odd number) as there are.
    """
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    values = np.column_stack([middle, np.maximum(width, height) / 2])
    reach = (min(SMOOTHING, len(boxes)) - 1) // 2
    padded = np.pad(values, ((reach, reach), (0, 0)))
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0), axis=-1)


def syncnet_crop(frame: Frame, place: Float[np.ndarray, "3"]) -> UInt8[np.ndarray, "224 224 3"]:
    """The crop of one frame, `place` being a row of `track`: 1.4 times the box's side, most of it added below.

    From 1 above the middle to 1.8 below it and 1.4 to each side, in units of half the side; grey beyond the border.
    """
    x, y, half = (float(value) for value in place)
    border = int(half * (1 + 2 * _WIDEN))
    rows = int(y + border - half) - border, int(y + border + half * (1 + 2 * _WIDEN)) - border
    columns = (int(x + border - half * (1 + _WIDEN)) - border, int(x + border + half * (1 + _WIDEN)) - border)
    return _resized(_cut(frame, rows, columns), SYNCNET_SIDE)[..., ::-1]


def wav2lip_face(frame: Frame, box: Float[np.ndarray, "4"]) -> UInt8[np.ndarray, "96 96 3"]:
    """The box, squeezed to 96x96 whatever its shape: what Wav2Lip's generator draws."""
    left, top, right, bottom = (max(0, int(edge)) for edge in box)
    return _resized(_some(frame[top:bottom, left:right], frame), WAV2LIP_SIDE)[..., ::-1]


def wav2lip_crop(frame: Frame, box: Float[np.ndarray, "4"]) -> Float32[np.ndarray, "48 96 3"]:
    """The lower half of `wav2lip_face`, from 0 to 1: what its sync expert sees."""
    return wav2lip_face(frame, box)[WAV2LIP_SIDE // 2 :].astype(np.float32) / 255


def windows(crops: Shaped[np.ndarray, "t h w 3"], count: int | None = None) -> Shaped[np.ndarray, "n 5 h w 3"]:
    """The 5 frames from each frame on, as a view; n = t - 4, or the first `count` of them."""
    if len(crops) < 5:
        raise InputError(f"a clip of {len(crops)} frames is too short for lip sync; give one of at least 5")
    views = np.lib.stride_tricks.sliding_window_view(crops, 5, axis=0)  # [n h w 3 5]
    return np.moveaxis(views, -1, 1)[:count]


def _cut(frame: Frame, rows: tuple[int, int], columns: tuple[int, int]) -> UInt8[np.ndarray, "h2 w2 3"]:
    """A rectangle of a frame with grey where it lies beyond the border."""
    height, width, _ = frame.shape
    (top, bottom), (left, right) = rows, columns
    inside = frame[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    sides = (max(-top, 0), max(bottom - height, 0)), (max(-left, 0), max(right - width, 0)), (0, 0)
    return np.pad(_some(inside, frame), sides, constant_values=_GREY)


def _some(inside: UInt8[np.ndarray, "h2 w2 3"], frame: Frame) -> UInt8[np.ndarray, "h2 w2 3"]:
    """`inside`, if there is anything of the frame in it."""
    if 0 in inside.shape:
        height, width, _ = frame.shape
        raise InputError(f"the box of a face lies outside its frame of {width}x{height} pixels; find the face again")
    return inside


def _resized(picture: Frame, side: int) -> UInt8[np.ndarray, "side side 3"]:
    """Bilinear, each pixel from the four nearest."""
    height, width, _ = picture.shape
    whole = Image.Transform.EXTENT, (0, 0, width, height)
    return np.asarray(Image.fromarray(picture).transform((side, side), *whole, Image.Resampling.BILINEAR))
