import dataclasses
import io

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxtalk.data import clip, clip_frames
from jaxtalk.face import builtin
from jaxtalk.face.arkit import INDEX
from jaxtalk.face.camera import Pinhole
from jaxtalk.face.model import pose

SIZE = 64


@pytest.fixture(scope="module")
def talking():
    """Three frames of a clip: at rest, mouth open, and turned to the side."""
    made = clip.make(0, 0).only(np.arange(3))
    expression = np.zeros((3, 52), np.float32)
    expression[1, INDEX["jawOpen"]] = 0.7
    rotation = np.zeros((3, 3), np.float32)
    rotation[2, 1] = 0.5
    return dataclasses.replace(made, expression=expression, rotation=rotation, translation=np.zeros((3, 3), np.float32))


@pytest.fixture(scope="module")
def video(talking):
    return clip_frames.render(talking, 0, 0, SIZE)


def pictures(video):
    return [np.asarray(Image.open(io.BytesIO(frame))).astype(float) for frame in video.frames]


def test_frames_are_pictures_of_the_size_with_a_head_in_them(video):
    assert len(video.frames) == 3 and video.landmarks.shape == (3, 68, 2)
    for picture, points in zip(pictures(video), video.landmarks, strict=True):
        assert picture.shape == (SIZE, SIZE, 3) and picture.std() > 10
        assert (points > 0).all() and (points < SIZE).all()


def test_landmarks_are_the_projected_vertices(talking, video):
    model = builtin.model()
    camera = Pinhole(video.camera[0], video.camera[1:3], video.camera[3])
    for k in (0, 1):
        identity, *frame = map(
            jnp.asarray, (talking.identity, talking.expression[k], talking.rotation[k], talking.translation[k])
        )
        vertices = pose(model.vertices(identity, frame[0]), *frame[1:])
        points = np.asarray(camera.project(vertices))[np.asarray(model.landmarks), :2]
        np.testing.assert_allclose(video.landmarks[k], points, atol=0.02)


def test_mouth_opens_where_the_labels_say(video):
    """The pictures at rest and with an open jaw differ around the mouth, and hardly on the forehead."""
    rest, talks, _ = pictures(video)
    mouth = video.landmarks[1, 48:68].mean(0).astype(int)
    brow = video.landmarks[1, 19:25].mean(0).astype(int) - [0, 4]

    def change(place):
        x, y = place
        return np.abs(rest - talks)[y - 2 : y + 3, x - 3 : x + 4].mean()

    assert change(mouth) > 3 * change(brow) + 5
    gap = video.landmarks[:, 66, 1] - video.landmarks[:, 62, 1]
    assert gap[1] > gap[0] + 2


def test_head_turns_to_the_right_of_the_image_for_positive_yaw(video):
    nose = video.landmarks[:, 30, 0] - video.landmarks[:, [0, 16], 0].mean(-1)
    assert nose[2] > nose[0] + 3


def test_frames_come_from_the_seed_alone(talking, video):
    again = clip_frames.render(talking, 0, 0, SIZE)
    assert again.frames == video.frames
    other = clip_frames.render(talking, 0, 1, SIZE)
    assert other.frames != video.frames and not np.array_equal(other.camera, video.camera)
