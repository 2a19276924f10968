"""Faces as geometry: models, cameras, rotations, landmarks, ARKit-52 and FAP coefficients, detection, fitting, Motion.

Conventions, stated once and used in the whole project:

- Right-handed axes in metres: x to the right of the image (the subject's left), y up, z towards the viewer.
- The head's origin lies midway between the ears, roughly the pivot of the neck's upper joint.
- Rotations are (pitch, yaw, roll) in radians; see `rotation.matrix`.
- Pixel coordinates are (x right, y down); the centre of the top left pixel is (0.5, 0.5).
- Lengths in a face model are in metres, so a face is about 0.14 wide.
"""
