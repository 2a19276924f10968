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

# The vertices of the full ICT-FaceKit mesh (26,719, https://github.com/ICT-VGL/ICT-FaceKit) on which MediaPipe's
# 68 points lie. Found by running MediaPipe over 259 renders of random ICT heads and taking, for each point, the skin
# vertex that is nearest on average (0.028 of the distance between the outer eye corners; brows and jaw 0.045, eyes and
# lips 0.018), made symmetric.
ICT_VERTICES_68 = np.array(
    [1223, 1238, 1240, 377, 1899, 844, 803, 1496, 966, 3710, 3044, 3085, 4099, 2618, 3458, 3456, 3441, 268, 1008, 481]
    + [1418, 1402, 3616, 3632, 2722, 3228, 2509, 978, 1348, 4839, 4857, 4871, 2088, 4920, 4282, 5329, 1546, 1541, 1537]
    + [887, 572, 1512, 3128, 3751, 3755, 3760, 3726, 2813, 5918, 5634, 2081, 0, 4275, 6139, 6423, 6375, 6508, 5518]
    + [6004, 5870, 5595, 5683, 5527, 6188, 6100, 6470, 5515, 5966]
)
