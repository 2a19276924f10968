"""The pristine model of NIQE that jaxtalk ships, "niqe-jaxtalk": made from photographs that come with scikit-image.

    python docs/niqe_model.py jaxtalk/weights/niqe_ours.safetensors

Eight photographs in the public domain, under CC0 or without known restrictions, at full, three quarters and half of
their size, each cut into patches from four corners: 752 patches, as all count that are half as sharp as the sharpest.
That is little beside the authors' 125 photographs.

Compared, on 24 portraits and frames of talking faces (as they are, blurred by 1 and 2 pixels, with noise of 5 and 15
grey levels, as JPEG of quality 20), with a model for video frames of the authors' laboratory: rank correlation 0.93.
Both blurs, both noises and JPEG are put after the frame itself in 96, 100, 88, 96 and 96 % of the cases; with the
published rule, 0.75, in 96, 100, 62, 83 and 92 %, because these frames are compressed and a little noise hides it.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

from jaxtalk.io import weights
from jaxtalk.metrics import niqe

PHOTOGRAPHS = ("astronaut", "camera", "coffee", "rocket", "coins", "brick", "grass", "gravel")
SIZES = (1.0, 0.75, 0.5)
SHARP = 0.5


def crops() -> Iterator[np.ndarray]:
    for name in PHOTOGRAPHS:
        photograph = Image.fromarray(getattr(skimage.data, name)()).convert("RGB")
        for size in SIZES:
            smaller = photograph.resize([round(size * side) for side in photograph.size], Image.Resampling.LANCZOS)
            pixels = np.asarray(smaller, np.float32) / 255
            for down, right in ((0, 0), (0, 48), (48, 0), (48, 48)):
                yield pixels[down:, right:]


def main(destination: Path) -> None:
    pristine = niqe.fit_pristine(crops(), SHARP)
    terms = "public domain, CC0 or no known restrictions"
    note = f"docs/niqe_model.py: patches of {', '.join(PHOTOGRAPHS)} of scikit-image ({terms})"
    config = {"patch": niqe.PATCH, "sharp": SHARP, "sizes": SIZES}
    made = weights.Weights(
        variables=pristine._asdict(), name="niqe-jaxtalk", config=config, licence="Apache-2.0", note=note
    )
    weights.save(destination, made)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
