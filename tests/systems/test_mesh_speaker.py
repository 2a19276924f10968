"""A trained network on a mesh: its numbers in pieces, on rigs and on bare meshes, and through the command."""

import dataclasses
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import soundfile

from jaxtalk import cli
from jaxtalk.errors import InputError
from jaxtalk.face import builtin, motion_basis
from jaxtalk.io import glb_rig, weights
from jaxtalk.models import codetalker, faceformer, motion_decoder, motion_vqvae, speech_encoder, voca
from jaxtalk.systems import mesh_networks, mesh_numbers, mesh_speaker, mesh_template
from jaxtalk.systems.mesh_networks import Face, MeshNetwork

POINTS = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
TRIANGLES = np.array([[0, 1, 2], [2, 3, 4], [4, 5, 6]], np.int32)
NUMBERS, ROW, MOMENTS = 3, 192, 2  # the shipped ear's rows
DECODER = motion_decoder.Config(
    coordinates=NUMBERS,
    styles=2,
    width=8,
    layers=1,
    heads=2,
    hidden=8,
    period=3,
    fps=25.0,
    moments=MOMENTS,
    speech=None,
)
PRIOR = motion_vqvae.Config(coordinates=NUMBERS, width=8, layers=1, heads=2, hidden=12, codes=16, parts=2, code_width=4)


def basis(template=POINTS, triangles=TRIANGLES) -> motion_basis.MotionBasis:
    shapes = np.random.default_rng(1).normal(0, 0.01, (NUMBERS, *template.shape)).astype(np.float32)
    none = np.zeros(0, np.int32)
    return motion_basis.MotionBasis(
        template=template, triangles=triangles, basis=shapes, lips=none, upper=none, jaw=np.array(0, np.int32)
    )


def lively(tree):
    """Random parameters, so that everything does something."""
    leaves, shape = jax.tree.flatten(tree)
    draw = np.random.default_rng(2)
    return jax.tree.unflatten(shape, [jnp.asarray(draw.normal(0, 0.5, x.shape), jnp.float32) for x in leaves])


def network(kind: str, face: Face | None = None) -> MeshNetwork:
    face = face or Face(basis=basis(), fps=25.0, ear="lip_tcn", speakers=("ann", "bob"))
    sound, motion, style = jnp.zeros((1, 8, ROW)), jnp.zeros((1, 4, NUMBERS)), jnp.zeros((1, 2))
    given = {"kind": kind, "face": face, "ear": lambda spectrum, seconds: np.zeros((len(seconds), ROW), np.float32)}
    key = jax.random.key(0)
    if kind == "voca":
        model = voca.Voca(voca.Config(coordinates=NUMBERS, styles=2, widths=(4, 4, 4, 4), hidden=4, expression=3))
        started = jax.eval_shape(lambda: model.init(key, jnp.zeros((1, 16, ROW)), style))
        made = lively(started["params"])
        return MeshNetwork(model=model, variables={**jax.tree.map(jnp.ones_like, started), "params": made}, **given)
    model = faceformer.FaceFormer(DECODER)
    if kind == "codetalker":
        model = codetalker.CodeTalker(codetalker.Config(decoder=DECODER, features=8))
        prior = motion_vqvae.MotionVqvae(PRIOR)
        given["prior"] = prior, lively(jax.eval_shape(lambda: prior.init(key, motion)))
    return MeshNetwork(
        model=model, variables=lively(jax.eval_shape(lambda: model.init(key, sound, motion, style))), **given
    )


def rows(frames: int, moments: int = MOMENTS) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(frames * moments, ROW)).astype(np.float32)


STYLE = np.array([0.7, 0.3], np.float32)


@pytest.mark.parametrize("kind", ["voca", "faceformer"])
def test_pieces_are_the_whole(kind, monkeypatch):
    ours, sound = network(kind), rows(23, 1 if kind == "voca" else MOMENTS)
    whole = mesh_networks.animate(ours, sound, STYLE)
    monkeypatch.setattr(mesh_numbers, "PIECE", 10)
    pieces = list(mesh_numbers.numbers(ours, sound, STYLE, 0))
    assert [len(piece) for piece in pieces] == [10, 10, 3]
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=2e-5)


@pytest.mark.slow
def test_long_speech_of_codetalker_comes_in_pieces_each_frame_a_little_late(monkeypatch):
    ours, sound = network("codetalker"), rows(23)
    (prior, fixed), config = ours.prior, dataclasses.replace(ours.model.config, codebook=False)
    model = codetalker.CodeTalker(config)  # rounding chooses other codes
    ours = dataclasses.replace(ours, model=model)
    speech = model.apply(ours.variables, jnp.asarray(sound)[None], method="listen")
    variables = codetalker.Variables(ours.variables, fixed)
    whole = codetalker.generate(model, prior, variables, speech, jnp.asarray(STYLE)[None], 4, delay=2).motion[0]
    monkeypatch.setattr(mesh_numbers, "PIECE", 10)
    monkeypatch.setattr(mesh_numbers, "WHOLE", 20)
    pieces = list(mesh_numbers.numbers(ours, sound, STYLE, 4))
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=2e-4)
    assert np.ptp(np.asarray(whole), axis=0).min() > 2e-3


@pytest.mark.slow
def test_waves_longer_than_the_encoder_is_given_at_once_have_all_their_frames(monkeypatch):
    """Published networks hear waves; here with an encoder of three convolutions."""
    speech = speech_encoder.Config(
        width=8, layers=1, heads=2, hidden=8, conv_widths=(4, 4, 4), conv_windows=(80, 8, 2), conv_strides=(20, 8, 2),
        position_window=4, position_groups=2,
    )  # fmt: skip
    model = faceformer.FaceFormer(dataclasses.replace(DECODER, speech=speech))
    shapes = jax.eval_shape(
        lambda: model.init(jax.random.key(0), jnp.zeros((1, 3200)), jnp.zeros((1, 4, NUMBERS)), jnp.zeros((1, 2)))
    )
    ours = MeshNetwork(kind="faceformer", model=model, variables=lively(shapes))
    wave = np.random.default_rng(4).normal(size=32_000).astype(np.float32)
    (whole,) = mesh_numbers.numbers(ours, wave, STYLE, 0)
    monkeypatch.setattr(mesh_numbers, "WAVE", 0.6)
    pieces = list(mesh_numbers.numbers(ours, wave, STYLE, 0))
    assert [len(piece) for piece in pieces] == [15, 15, 15, 5] and len(whole) in (49, 50)
    apart = np.concatenate(pieces)[: len(whole)] - whole
    assert np.sqrt((apart**2).mean()) < 0.5 * whole.std()  # the encoder sees only a part of the rest


def test_coefficients_of_a_rig_are_found_again_within_their_bounds():
    model = builtin.model()
    given = np.random.default_rng(0).uniform(0, 1, (6, 52)) * (np.random.default_rng(1).uniform(size=(6, 52)) < 0.3)
    shapes = np.asarray(model.expression, np.float64).reshape(52, -1)
    own = motion_basis.components(np.asarray(model.expression), 52)
    face = basis(np.asarray(model.template), np.asarray(model.triangles))
    face = dataclasses.replace(face, basis=own)
    numbers = face.numbers((given @ shapes).reshape(6, -1, 3))
    ours = network("voca", Face(basis=face, fps=25.0, ear="lip_tcn", speakers=("ann", "bob")))
    found = np.asarray(mesh_speaker._solved(ours, model, iter([numbers[:4], numbers[4:]])))
    assert found.min() >= 0 and found.max() <= 1
    apart = np.linalg.norm((found @ shapes - given @ shapes).reshape(6, -1, 3), axis=-1)
    assert apart.max() < 5e-4  # half a millimetre


def test_styles_are_names_or_mixes():
    ours = network("voca")
    np.testing.assert_allclose(mesh_speaker.style(ours, ""), [0.5, 0.5])
    np.testing.assert_allclose(mesh_speaker.style(ours, "bob"), [0, 1])
    np.testing.assert_allclose(mesh_speaker.style(ours, "ann:0.3, bob:0.7"), [0.3, 0.7])
    for text, problem in {"eve": "ann, bob", "ann:x": "no number", "ann:nan": "finite"}.items():
        with pytest.raises(InputError, match=problem):
            mesh_speaker.style(ours, text)


def test_a_template_must_be_one_that_the_network_can_move(tmp_path):
    ours = network("voca")
    (tmp_path / "few.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    with pytest.raises(InputError, match="3 vertices, and this network moves meshes of 7"):
        mesh_speaker.template(ours, tmp_path / "few.obj")
    own = mesh_speaker.template(ours, None)
    np.testing.assert_array_equal(own.model.template, POINTS)
    bare = dataclasses.replace(ours, face=None)
    with pytest.raises(InputError, match="give one of 1 vertices"):  # three coordinates
        mesh_speaker.template(bare, None)


def test_offsets_of_a_network_without_components_get_some():
    ours = dataclasses.replace(network("voca"), face=None)
    on = mesh_template.Template(None, mesh_template.bare(Path("x"), POINTS, TRIANGLES), known=False)
    ours = dataclasses.replace(ours, model=voca.Voca(voca.Config(coordinates=21, styles=2)))
    offsets = np.random.default_rng(0).normal(size=(9, 21)).astype(np.float32)
    numbers, model = mesh_speaker._components(ours, on, iter([offsets[:4], offsets[4:]]))
    moved = np.asarray(model.vertices(None, numbers)) - POINTS
    np.testing.assert_allclose(moved.reshape(9, 21), offsets, atol=1e-4)


def test_the_command_animates_the_networks_own_mesh(tmp_path, capsys):
    ours = network("codetalker")
    folder = tmp_path / "network"
    folder.mkdir()
    for name, config, variables in (
        ("codetalker", ours.model.config, ours.variables),
        ("motion_prior", PRIOR, ours.prior[1]),
    ):
        weights.save(
            folder / f"{name}.safetensors",
            weights.Weights(
                variables=variables, name=name, config=weights.config_values(config), licence="none", note="random"
            ),
        )
    ours.face.save(folder)
    sound, output = tmp_path / "a.wav", tmp_path / "a.glb"
    soundfile.write(sound, np.random.default_rng(0).normal(0, 0.1, 8000), 16_000)
    arguments = ["mesh", str(sound), "-o", str(output), "--network", str(folder)]
    cli.main([*arguments, "--style", "ann:0.2,bob:0.8", "--fps", "50"])
    root = glb_rig.read(output).root
    assert root.meshes[0].extras["targetNames"] == ["motion_00", "motion_01", "motion_02"]
    tracks = glb_rig._accessor(root, root.binary_blob(), root.animations[0].samplers[0].output)
    assert tracks.shape == (26 * NUMBERS,) and np.abs(tracks).max() <= 1 + 1e-6  # 13 frames of 25 a second
    before = set(os.listdir(tmp_path))
    for wrong in (["--style", "eve"], ["-o", str(tmp_path / "b.csv")]):
        with pytest.raises(SystemExit) as left:
            cli.main([*arguments, *wrong])
        assert left.value.code == 2 and len(capsys.readouterr().err.strip().splitlines()) == 1
    assert set(os.listdir(tmp_path)) == before
