"""Blocks of records on Apache Beam (extra `beam`): every item an element, then every block.

    (block, item) --Reshuffle--> work --GroupByKey--> finish

Each worker has a process of its own for items, so that an item which ends a process is set aside and costs nothing
else. Workers write into the shared folder themselves; what passes through the pipeline are names.
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jaxtalk.data import clip, isolated_worker
from jaxtalk.errors import InputError

OPTIONS = "--runner=DirectRunner"


def check() -> None:
    """InputError where Apache Beam is missing."""
    try:
        import apache_beam  # noqa: F401
    except ImportError as error:
        raise InputError(f'Apache Beam is not there ({error}); install it: pip install "jaxtalk[beam]"') from error


def run(
    blocks: Mapping[Any, Sequence[Any]],
    work: Callable[[Any], None],
    set_aside: Callable[[Any, str], None],
    finish: Callable[[Any], None],
    options: str,
    tries: int = 1,
) -> None:
    """Works on all items of all blocks, and finishes each block when its items are done.

    The functions are sent to the workers. `set_aside(item, why)` is called for an item whose process died `tries`
    times. Beam may repeat anything, so each function has to leave out what is there.
    """
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    class Work(beam.DoFn):
        def setup(self):
            self.worker = isolated_worker.Worker(work, clip.use_cpu)

        def process(self, element):
            number, item = element
            for _ in range(tries):
                self.worker.send(item)
                result = self.worker.result()
                if not isinstance(result, isolated_worker.Died):
                    break
            else:
                set_aside(item, result.how)
            yield number, True

        def teardown(self):
            self.worker.close()

    keys = list(blocks)
    elements = [(number, item) for number, key in enumerate(keys) for item in blocks[key]]
    with beam.Pipeline(options=PipelineOptions(shlex.split(options))) as pipeline:
        done = pipeline | beam.Create(elements) | beam.Reshuffle() | "Work" >> beam.ParDo(Work())
        done | beam.GroupByKey() | "Finish" >> beam.Map(lambda group: finish(keys[group[0]]))
