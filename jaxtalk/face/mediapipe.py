"""Which of MediaPipe's 478 face-mesh points stand for the 68 Multi-PIE (iBUG) points.

Eyes, brows, nose and lips have a mesh point within a few hundredths of the eye distance of each iBUG point. The iBUG
jaw line is seventeen points equally far apart between the two ends at eye level; along MediaPipe's face oval the
nearest mesh points were chosen, so neighbours on the jaw are only roughly equally far apart. The jaw in both is a
3-D contour (it does not slide along the silhouette when the head turns).

Mesh numbering: canonical face model of MediaPipe Face Mesh, https://github.com/google-ai-edge/mediapipe (Apache-2.0).
"""

import numpy as np

# iBUG "right" is the subject's right: the left of the image.
_JAW = (127, 234, 93, 132, 58, 136, 149, 148, 152, 377, 378, 365, 288, 361, 323, 454, 356)
_BROWS = (70, 63, 105, 66, 107, 336, 296, 334, 293, 300)
_NOSE = (168, 197, 5, 4, 98, 97, 2, 326, 327)
_EYES = (33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380)
_OUTER_LIPS = (61, 40, 37, 0, 267, 270, 291, 405, 314, 17, 84, 181)
_INNER_LIPS = (78, 81, 13, 311, 308, 402, 14, 178)

LANDMARKS_68 = np.array(_JAW + _BROWS + _NOSE + _EYES + _OUTER_LIPS + _INNER_LIPS)

# The 68 points seen in a mirror: point i of a mirrored picture is point MIRROR_68[i] of the picture.
MIRROR_68 = np.array(
    [*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, *range(35, 30, -1)]
    + [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
    + [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]
)
