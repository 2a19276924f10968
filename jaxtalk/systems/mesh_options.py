"""What `jaxtalk mesh` can be told. Imports nothing heavy, so that `--help` answers at once."""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeshOptions:
    """Speech to the animation of a mesh: the built-in face, a face of yours, or the mesh that a network learnt.

    jaxtalk mesh speech.wav -o out.glb (Blender, three.js, Unity; out.html plays by itself in any browser)

    jaxtalk mesh speech.wav -o out.glb out.csv out.mp4 --template avatar.glb (a face with ARKit's blendshapes)

    jaxtalk mesh speech.wav -o out.npz --network codetalker/ --template me.obj --style A:0.3,B:0.7
    """

    speech: tyro.conf.Positional[Path]
    """A sound file, or a video: its sound. Any length, language, rate."""
    output: Annotated[tuple[Path, ...], tyro.conf.arg(aliases=["-o"])] = (Path("mesh.glb"),)
    """Files to write, by suffix: .glb (morph targets and their animation), .html (a page that plays it, with sound),
    .mp4 or .mov, .csv (Live Link Face), .npz (vertices of all frames); without a suffix a folder of .obj files."""
    template: Path | None = None
    """The mesh to move: a face model from jaxtalk convert or ICT-FaceKit's .npz; a .glb with blendshapes; or, with as
    many vertices as the network's mesh (without a network: the built-in face), a bare .obj, .ply or .glb."""
    network: Path | None = None
    """Folder or file of a network that jaxtalk train or convert wrote (CodeTalker, FaceFormer, VOCA), instead of the
    shipped lips on the built-in face."""
    style: str = ""
    """Whose way to speak, of a network: a name, or a mix such as A:0.3,B:0.7; all alike, if not given. Without a
    network: the head's motion, 0 to 45."""
    window: int = 32
    """Frames that CodeTalker decodes together to feed one back; 0: all so far, exact as published, and slower the
    longer the speech."""
    fps: float | None = None
    """Frames per second; 25, or what the network was trained at."""
    still: bool = False
    """Leave the head's motion out."""
    size: int = 512
    """Side of the square video."""
    seed: int = 0
    """Same seed, same blinks, gaze and head motion."""
