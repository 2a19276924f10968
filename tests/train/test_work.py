"""Products and bytes of compiled programs beside what the shapes say."""

import jax
import jax.numpy as jnp
import pytest

from jaxtalk.train import hlo, work


def counted(f, *shapes, dtype=jnp.float32) -> list[work.Work]:
    arrays = [jax.ShapeDtypeStruct(shape, dtype) for shape in shapes]
    return work.read(hlo.parse(jax.jit(f).lower(*arrays).compile().as_text()))


def flops(f, *shapes) -> int:
    return sum(part.times * part.flops for part in counted(f, *shapes))


def test_products_of_matrices_count_two_for_each_pair():
    assert flops(lambda a, b: jnp.tanh(a @ b), (16, 32), (32, 64)) == 2 * 16 * 32 * 64
    assert flops(lambda a, b: jnp.einsum("bij,bjk->bik", a, b), (3, 4, 5), (3, 5, 6)) == 2 * 3 * 4 * 5 * 6


def test_loops_count_as_often_as_they_run():
    def looped(x, kernels):
        return jax.lax.scan(lambda x, kernel: (jnp.tanh(x @ kernel), None), x, kernels)[0]

    assert flops(looped, (8, 16), (7, 16, 16)) == 7 * 2 * 8 * 16 * 16
    gradient = jax.grad(lambda x, kernels: looped(x, kernels).sum(), argnums=(0, 1))
    assert flops(gradient, (8, 16), (7, 16, 16)) == 3 * 7 * 2 * 8 * 16 * 16


def test_padding_and_spreading_of_convolutions_are_no_products():
    def convolve(x, kernel):
        return jax.lax.conv_general_dilated(x, kernel, (2,), [(2, 1)], dimension_numbers=("NWC", "WIO", "NWC"))

    # 10 inputs, 4 taps, stride 2: outputs at -2, 0, ..., 6 and one at 7 of 10 lack 2, 0, ... and 0 taps
    taps = sum(sum(0 <= start + tap < 10 for tap in range(4)) for start in range(-2, 8, 2))
    assert flops(convolve, (3, 10, 5), (4, 5, 6)) == 2 * 3 * 5 * 6 * taps
    gradient = jax.grad(lambda x, kernel: (convolve(x, kernel) ** 2).sum(), argnums=(0, 1))
    assert flops(gradient, (3, 10, 5), (4, 5, 6)) == 3 * 2 * 3 * 5 * 6 * taps


def test_bytes_are_those_of_what_goes_in_and_comes_out():
    (part,) = counted(lambda a, b: a * b + 1, (64, 64), (64, 64))
    assert (part.flops, part.bytes) == (0, 3 * 4 * 64 * 64)


def test_loops_read_slices_of_what_is_stacked():
    def looped(x, rows):
        return jax.lax.scan(lambda x, row: (x + row, x * row), x, rows)

    total = sum(part.times * part.bytes for part in counted(looped, (1024,), (9, 1024)))
    row = 4 * 1024
    assert 9 * 5 * row <= total < 9 * 12 * row  # whole stacks in each turn would be 9 * 18 rows and more


def test_what_lies_on_the_chip_moves_no_bytes():
    program = hlo.parse(
        """
ENTRY %main (p: f32[8]) -> f32[8] {
  %p = f32[8]{0:T(256)} parameter(0)
  %a = f32[8]{0:T(256)S(1)} negate(%p)
  ROOT %b = f32[8]{0:T(256)} negate(%a)
}
"""
    )
    assert [part.bytes for part in work.read(program)] == [32, 32]


def test_fusions_read_whole_what_they_hand_on_and_slices_of_what_they_cut():
    program = hlo.parse(
        """
%cut (a: f32[9,8], i: s32[]) -> f32[8] {
  %a = f32[9,8]{1,0} parameter(0)
  %i = s32[] parameter(1)
  %zero = s32[] constant(0)
  %s = f32[1,8]{1,0} dynamic-slice(%a, %i, %zero), dynamic_slice_sizes={1,8}
  ROOT %b = f32[8]{0} bitcast(%s)
}

%renamed (p: f32[64]) -> f32[8,8] {
  %p = f32[64]{0} parameter(0)
  ROOT %r = f32[8,8]{1,0} bitcast(%p)
}

%outer (x: f32[9,8], n: s32[], y: f32[64]) -> f32[8] {
  %x = f32[9,8]{1,0} parameter(0)
  %n = s32[] parameter(1)
  %y = f32[64]{0} parameter(2)
  %first = f32[8]{0} fusion(%x, %n), kind=kLoop, calls=%cut
  %second = f32[8,8]{1,0} fusion(%y), kind=kLoop, calls=%renamed
  ROOT %dot = f32[8]{0} dot(%second, %first), lhs_contracting_dims={1}, rhs_contracting_dims={0}
}

ENTRY %main (k: f32[9,8], m: s32[], v: f32[64]) -> f32[8] {
  %k = f32[9,8]{1,0} parameter(0)
  %m = s32[] parameter(1)
  %v = f32[64]{0} parameter(2)
  ROOT %f = f32[8]{0} fusion(%k, %m, %v), kind=kOutput, calls=%outer
}
"""
    )
    (part,) = work.read(program)
    assert (part.flops, part.bytes) == (2 * 8 * 8, 32 + 4 + 256 + 32)


def test_loops_without_a_told_length_count_up_to_their_condition():
    program = hlo.parse(
        """
%less (c: (s32[], f32[8])) -> pred[] {
  %c = (s32[], f32[8]{0}) parameter(0)
  %end = s32[] constant(24)
  %at = s32[] get-tuple-element(%c), index=0
  ROOT %lt = pred[] compare(%at, %end), direction=LT
}

%turn (t: (s32[], f32[8])) -> (s32[], f32[8]) {
  %t = (s32[], f32[8]{0}) parameter(0)
  %x = f32[8]{0} get-tuple-element(%t), index=1
  %y = f32[8]{0} negate(%x)
  ROOT %both = (s32[], f32[8]{0}) tuple(%t, %y)
}

ENTRY %main (p: (s32[], f32[8])) -> (s32[], f32[8]) {
  %p = (s32[], f32[8]{0}) parameter(0)
  ROOT %w = (s32[], f32[8]{0}) while(%p), condition=%less, body=%turn
}
"""
    )
    assert [(part.name, part.times) for part in work.read(program)] == [("y", 24), ("lt", 24)]


@pytest.mark.parametrize("line", ["  %t = (f32[2]{0}, (s32[], bf16[4,4]{1,0:T(8,128)(2,1)})) tuple(%a, %b)"])
def test_tuples_in_tuples_are_read(line):
    operation = hlo.parse("ENTRY %m () -> f32[] {\n" + line + "\n}").computations["ENTRY"]["t"]
    assert (operation.kind, operation.operands) == ("tuple", ("a", "b"))
    assert [shape.bytes for shape in operation.shapes] == [8, 4, 32]
