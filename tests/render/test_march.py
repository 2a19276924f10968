"""Marching against a walk along each ray written from the published description, and against the published kernels."""

import golden_fixture
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from jaxtalk.render import compositing, march, march_rounds, occupancy
from jaxtalk.render.march import Lattice, Samples
from jaxtalk.render.occupancy import Cells
from jaxtalk.render.rays import Rays, box

LATTICES = [
    Lattice(cells=Cells(side=16), most=16, growth=1 / 256),  # steps of one width
    Lattice(cells=Cells(bound=3.0, side=16), most=40, growth=1 / 16),  # all three parts of the lattice
    Lattice(cells=Cells(bound=2.0, side=8), most=30, growth=0.0),
]

marched = jax.jit(march.march, static_argnames="lattice")
packed_into = jax.jit(march.pack, static_argnames="budget")
unpacked = jax.jit(march.unpack, static_argnames="most")


def scene(lattice, rays=64, share=0.4, seed=0):
    """Rays through the cube from all sides, near, far, occupied cells, noise."""
    rng = np.random.default_rng(seed)
    origin = rng.normal(size=(rays, 3))
    origin *= 2.5 * lattice.cells.bound / np.linalg.norm(origin, axis=-1, keepdims=True)
    direction = rng.uniform(-0.5, 0.5, (rays, 3)) * lattice.cells.bound - origin
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    rays = Rays(jnp.asarray(origin, jnp.float32), jnp.asarray(direction, jnp.float32))
    half = jnp.full(3, lattice.cells.bound)
    occupied = jnp.asarray(rng.random(lattice.cells.shape) < share)
    return rays, *box(rays, -half, half), occupied, jnp.asarray(rng.random(len(origin)), jnp.float32)


def walk(origin, direction, near, far, occupied, noise, lattice):
    """One ray in float64, step after step and skipping cells, as the published kernel goes: [(t, dt)]."""
    cells, found = lattice.cells, []
    step = lambda t: min(max(t * lattice.growth, lattice.shortest), lattice.longest)  # noqa: E731
    t = near + step(near) * noise
    while t < far and len(found) < lattice.most:
        dt, point = step(t), np.clip(origin + t * direction, -cells.bound, cells.bound)
        exponents = np.frexp(np.abs(point).max())[1], np.frexp(dt * cells.side / 2)[1]
        level = max(min(max(int(exponent), 0), cells.cascades - 1) for exponent in exponents)
        reach = min(2.0**level, cells.bound)
        cell = np.clip(0.5 * (point / reach + 1) * cells.side, 0, cells.side - 1).astype(int)
        if occupied[level, *cell]:
            found.append((t, dt))
            t += dt
            continue
        faces = ((cell + 0.5 + 0.5 * np.sign(direction)) * 2 / cells.side - 1) * reach
        target = t + max(0, np.min((faces - point) / direction))
        t += step(t)
        while t < target:
            t += step(t)
    return found


@pytest.mark.parametrize("lattice", LATTICES)
def test_samples_are_those_of_a_walk_along_the_ray(lattice):
    rays, near, far, occupied, noise = scene(lattice)
    samples = marched(rays, near, far, occupied, lattice, noise)
    *given, noise = (np.asarray(array, np.float64) for array in (*rays, near, far, noise))
    occupied, found = np.asarray(occupied), np.stack([samples.distance, samples.width], -1)
    walks = [walk(*(array[i] for array in given), occupied, noise[i], lattice) for i in range(64)]
    counts = np.sum(found[..., 1] > 0, -1)
    same = counts == [len(steps) for steps in walks]
    assert same.mean() > 0.95 and len(set(counts)) > 4  # elsewhere rounding decides who hits the border of a cell
    errors = [np.abs(found[i, :n] - walks[i]).max() for i, n in enumerate(counts) if same[i] and n]
    assert np.mean(np.asarray(errors) < 1e-4 * lattice.cells.bound) > 0.95


@pytest.mark.parametrize("lattice", LATTICES)
def test_the_lattice_is_what_its_steps_add_up_to(lattice):
    start = jnp.asarray([0.05, 0.7, 2.0, 6.0])
    expected, t = [], np.asarray(start, np.float64)
    for _ in range(100):
        expected.append(t)
        t = t + np.clip(lattice.growth * t, lattice.shortest, lattice.longest)
    index = jnp.broadcast_to(jnp.arange(100)[None], (4, 100))
    distance = lattice.distance(jnp.broadcast_to(start[:, None], (4, 100)), index)
    np.testing.assert_allclose(distance, np.stack(expected, -1), rtol=3e-6)


def test_everything_occupied_gives_every_step_until_a_ray_is_full():
    lattice = Lattice(cells=Cells(side=8), most=8, growth=0.0)
    rays, near, far, occupied, _ = scene(lattice)
    samples = marched(rays, near, far, jnp.ones_like(occupied), lattice)
    steps = np.ceil((far - near) / lattice.shortest)
    np.testing.assert_array_equal(samples.there.sum(-1), np.minimum(steps, 8))
    assert not marched(rays, near, far, jnp.zeros_like(occupied), lattice).there.any()


def test_packing_holds_every_sample_once_and_unpacking_puts_it_back():
    samples = marched(*scene(LATTICES[0])[:-1], LATTICES[0])
    total = int(samples.there.sum())
    for budget in (total, total + 37):
        packed = packed_into(samples, budget)
        assert packed.dropped == 0 and packed.there.sum() == total
        back = unpacked(packed, march.pick(packed, samples.distance), 16)
        np.testing.assert_array_equal(back, samples.distance)
        values = jnp.arange(budget * 2.0).reshape(budget, 2)
        gradient = jax.jit(jax.grad(lambda values: jnp.sum(march.unpack(packed, values, 16) ** 2)))(values)  # noqa: B023
        np.testing.assert_array_equal(gradient, jnp.where(packed.there[:, None], 2 * values, 0.0))


def test_an_overflow_drops_the_farthest_samples_of_full_rays_and_counts_them():
    samples = marched(*scene(LATTICES[0])[:-1], LATTICES[0])
    counts = np.asarray(samples.there.sum(-1))
    budget = counts.sum() * 2 // 3
    packed = packed_into(samples, int(budget))
    limit = packed.count.max()
    np.testing.assert_array_equal(packed.count, np.minimum(counts, limit))
    assert packed.there.sum() + packed.dropped == counts.sum() and 0 < packed.dropped
    assert np.minimum(counts, limit + 1).sum() > budget  # no higher limit fits
    back = unpacked(packed, march.pick(packed, samples.distance), 16)
    np.testing.assert_array_equal(back, jnp.where(jnp.arange(16)[None] < limit, samples.distance, 0.0))
    assert packed_into(samples, 3).there.sum() == 0  # not one for each ray


def field(points):
    """The fixture's density and colour."""
    return 12 * jnp.exp(-2 * jnp.sum(points**2, -1)), 0.5 + 0.5 * jnp.sin(3 * points)


def render(rays, near, far, occupied, noise, lattice, budget, density_of=field):
    samples = march.march(rays, near, far, occupied, lattice, noise)
    packed = march.pack(samples, budget)
    given = Rays(*(vectors[packed.ray] for vectors in rays))
    places = march.points(given, march.pick(packed, samples.distance)[:, None], lattice.cells.bound)[:, 0]
    density, values = (march.unpack(packed, array, lattice.most) for array in density_of(places))
    return compositing.composite(density, samples.width, values, samples.end, compositing.STOP)


def test_packed_rays_look_like_padded_ones_and_have_their_gradients():
    lattice = LATTICES[0]
    given = scene(lattice)
    rays, near, far, occupied, noise = given

    def padded(scale):
        samples = march.march(rays, near, far, occupied, lattice, noise)
        density, values = field(march.points(rays, samples.distance, 1.0))
        return compositing.composite(scale * density, samples.width, values, samples.end, compositing.STOP)

    def packed(scale):
        return render(*given, lattice, 64 * 16, lambda points: (scale * field(points)[0], field(points)[1]))

    both = [jax.jit(lambda scale, draw=draw: jax.jvp(draw, (scale,), (1.0,)))(1.0) for draw in (padded, packed)]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), *both)
    forward = jnp.sum(both[1][1].values)
    backward = jax.jit(jax.grad(lambda scale: jnp.sum(packed(scale).values)))(1.0)
    np.testing.assert_allclose(backward, forward, rtol=1e-4)


def test_a_gradient_reaches_rays_through_points_only():
    lattice = LATTICES[0]
    rays, *given = scene(lattice)
    gradient = jax.jit(jax.grad(lambda rays: jnp.sum(render(rays, *given, lattice, 1024).values)))(rays)
    assert all(jnp.isfinite(part).all() and part.any() for part in gradient)


def test_frames_under_vmap_and_rays_spread_over_devices_are_as_alone():
    lattice = LATTICES[0]
    rays, near, far, occupied, noise = scene(lattice)
    draw = lambda rays, near, far, noise: render(rays, near, far, occupied, noise, lattice, 128)  # noqa: E731
    frames = jax.tree.map(lambda array: array.reshape(8, 8, *array.shape[1:]), (rays, near, far, noise))
    alone = [jax.jit(draw)(*jax.tree.map(lambda array, i=i: array[i], frames)) for i in range(8)]
    alone = jax.tree.map(lambda *parts: jnp.concatenate(parts), *alone)
    together = jax.tree.map(lambda array: array.reshape(64, *array.shape[2:]), jax.jit(jax.vmap(draw))(*frames))
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    spread = jax.shard_map(draw, mesh=mesh, in_specs=P("data"), out_specs=P("data"))
    for other in (together, jax.jit(spread)(rays, near, far, noise)):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), alone, other)


def test_rounds_give_what_all_samples_give_and_ask_less_behind_walls():
    lattice = Lattice(cells=Cells(side=16), most=32, growth=0.0)
    rays, near, far, occupied, _ = scene(lattice, share=0.7)
    samples = marched(rays, near, far, occupied, lattice)
    for thickness, rounds in ((1.0, 8), (300.0, 4)):
        at = lambda points: (thickness * field(points)[0], field(points)[1])  # noqa: B023, E731
        drawn, history = jax.jit(lambda samples: march_rounds.by_rounds(samples, along(rays, at, 1.0)))(samples)  # noqa: B023
        density, values = at(march.points(rays, samples.distance, 1.0))
        whole = compositing.composite(density, samples.width, values, samples.end, compositing.STOP)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-3), drawn, whole)
        assert history[0] == 64 and (history[1:] <= history[:-1]).all()
        assert (np.sum(np.asarray(history) > 0) <= rounds) == (thickness > 1)


def test_rounds_without_any_sample_are_one():
    nothing = Samples(jnp.zeros((4, 8)), jnp.zeros((4, 8)))
    drawn, history = march_rounds.by_rounds(nothing, lambda ray, distance: (distance + 1, jnp.ones((4, 3))))
    np.testing.assert_array_equal(history, [4] + [0] * 7)
    assert not drawn.opacity.any()


def test_the_sample_that_hardly_any_light_gets_to_is_the_last_that_counts_in_rounds():
    width = jnp.zeros((8, 6)).at[2].set(1.0)  # one ray of eight has samples, so it takes all in its second round
    samples = Samples(jnp.cumsum(width, -1), width)
    density, value = jnp.asarray([1.0, 5.0, 5.0, 5.0, 5.0, 5.0]), jnp.asarray([0.0, 0.0, 0.0, 1e5, 1e8, 1e8])

    def ask(ray, distance):
        index = jnp.clip(distance.astype(jnp.int32) - 1, 0, 5)
        return density[index], value[index, None]

    drawn, history = march_rounds.by_rounds(samples, ask)
    np.testing.assert_array_equal(history, [8, 1, 0, 0, 0, 0])
    np.testing.assert_allclose(drawn.values[2, 0], 1e5 * np.exp(-11), rtol=1e-2)  # light: 1, e^-1, e^-6, e^-11


def along(rays, at, bound):
    """A field of points as one of rays and distances."""

    def ask(ray, distance):
        given = Rays(*(vectors[ray] for vectors in rays))
        return at(march.points(given, distance[:, None], bound)[:, 0])

    return ask


@pytest.fixture(scope="module", params=[("b1", 1.0, 1 / 256, 64), ("b2", 2.0, 1 / 64, 96)], ids=["b1", "b2"])
def published(request):
    """A comparison with the fixture, rays, near, far, occupied cells, noise, lattice."""
    name, bound, growth, most = request.param
    manifest, arrays = golden_fixture.load("radnerf_raymarching")
    given = golden_fixture.inputs(manifest)
    rays = given["rays_o"] - np.float32([0, 0, 3]), given["rays_d"] + np.float32([0, 0, 1])
    rays = Rays(*map(jnp.asarray, rays))
    half = jnp.asarray([bound, bound / 2, bound])
    lattice = Lattice(cells=Cells(bound=bound, side=32), most=most, growth=growth)
    density = occupancy.from_morton(jnp.asarray(given["density"][: lattice.cells.cascades]))
    compare = lambda output, value: golden_fixture.compare(manifest, arrays, f"{name}_{output}", value)  # noqa: E731
    return compare, rays, *box(rays, -half, half), density > 0.5, jnp.asarray(given["noise"]), lattice


def test_training_is_the_published_kernels(published):
    compare, rays, near, far, occupied, noise, lattice = published

    @jax.jit
    def draw(rays, near, far, occupied, noise):
        samples = march.march(rays, near, far, occupied, lattice, noise)
        points = march.points(rays, samples.distance, lattice.cells.bound)
        density, values = field(points)
        drawn = compositing.composite(density, samples.width, values, samples.end, compositing.STOP)
        lit = (compositing.transmittance(density, samples.width) >= compositing.STOP) & samples.there
        ambient = jnp.sum(jnp.where(lit, jnp.abs(points).sum(-1), 0.0), -1)  # the fixture's, summed without weights
        first = samples.there[:, :12, None]
        deltas = jnp.stack([samples.width, samples.end], -1)
        return samples, jnp.where(first, points[:, :12], 0.0), jnp.where(first, deltas[:, :12], 0.0), drawn, ambient

    samples, points, deltas, drawn, ambient = draw(rays, near, far, occupied, noise)
    compare("num_steps", samples.there.sum(-1).astype(jnp.int32))
    compare("first_xyz", points)
    compare("first_deltas", deltas)
    compare("train_weights_sum", drawn.opacity)
    compare("train_depth", drawn.depth)
    compare("train_image", drawn.values)
    compare("train_ambient_sum", ambient)


def test_inference_in_rounds_is_the_published_loop(published):
    compare, rays, near, far, occupied, _, lattice = published

    @jax.jit
    def draw(rays, near, far, occupied):
        samples = march.march(rays, near, far, occupied, lattice)
        return march_rounds.by_rounds(samples, along(rays, field, lattice.cells.bound))

    drawn, history = draw(rays, near, far, occupied)
    compare("infer_weights_sum", drawn.opacity)
    compare("infer_depth", drawn.depth)
    compare("infer_image", drawn.values)
    compare("alive_per_round", jnp.pad(history, (0, 64))[:64])


def test_thinning_keeps_every_kth_sample_and_covers_as_much_of_the_ray():
    there = jnp.arange(12)[None] < jnp.array([12, 7, 0])[:, None]
    distance = jnp.where(there, 1 + 0.1 * jnp.arange(12)[None], 0.0)
    samples = Samples(distance, jnp.where(there, 0.1, 0.0))
    same = march.thinned(samples, 19)
    for one, other in zip(same, samples, strict=True):
        np.testing.assert_array_equal(one, other)
    few = march.thinned(samples, 10, jnp.array([0.0, 0.6, 0.5]))
    np.testing.assert_allclose(few.distance[0, :6], 1 + 0.2 * np.arange(6), rtol=1e-6)
    np.testing.assert_allclose(few.distance[1, :3], 1.1 + 0.2 * np.arange(3), rtol=1e-6)
    np.testing.assert_allclose(few.width[0, :6], 0.2, rtol=1e-6)
    assert few.there.sum(-1).tolist() == [6, 3, 0]


def test_samples_behind_known_matter_are_left_out_and_those_before_and_in_it_stay():
    lattice = Lattice(cells=Cells(side=16), most=64, growth=0.0)  # a cell's diagonal is four steps
    cells = lattice.cells
    rays = Rays(jnp.array([[-2.0, 0.05, 0.05], [-2.0, 0.8, 0.05]]), jnp.tile(jnp.array([1.0, 0.0, 0.0]), (2, 1)))
    corner = jnp.ones(3)
    samples = marched(rays, *box(rays, -corner, corner), jnp.ones(cells.shape, bool), lattice)
    wall = jnp.zeros(cells.shape).at[0, 4:6, :12].set(200.0)  # in the way of the first ray only
    kept = march.unhidden(samples, rays, wall, lattice)
    x = np.asarray(samples.distance) - 2.0
    np.testing.assert_array_equal(kept.there[1], samples.there[1])
    within = int(np.argmax(x[0] > -0.5))
    assert kept.there[0][within : within + 4].all()  # a cell's matter may all lie at its far end
    before, behind = samples.there[0] & (x[0] < -0.5), samples.there[0] & (x[0] > -0.5 + 2.1 * lattice.longest)
    assert before.any() and kept.there[0][before].all() and behind.any() and not kept.there[0][behind].any()
    np.testing.assert_array_equal(kept.distance[0][kept.there[0]], samples.distance[0][kept.there[0]])
    everywhere = march.unhidden(samples, rays, jnp.full(cells.shape, 1e-3), lattice)
    np.testing.assert_array_equal(everywhere.there, samples.there)
