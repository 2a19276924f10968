"""Prepares talking videos on Apache Beam (extra `beam`): every clip an element, then every block.

    (block, clip) --Reshuffle--> talking_clip.stage --GroupByKey--> write_block

Each worker has a process of its own for clips, so that a clip which ends a process is set aside here too. Workers
write into the shared folder themselves; what passes through the pipeline are names.
"""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from jaxtalk.data import clip, isolated_worker, staged_clips
from jaxtalk.data.video_layouts import Source
from jaxtalk.errors import InputError

if TYPE_CHECKING:
    from jaxtalk.systems.prepare import Block


def check() -> None:
    """InputError where Apache Beam is missing."""
    try:
        import apache_beam  # noqa: F401
    except ImportError as error:
        raise InputError(f'Apache Beam is not there ({error}); install it: pip install "jaxtalk[beam]"') from error


def run(
    blocks: "list[Block]",
    stage: Path,
    prepare: Callable[[Source], None],
    finish: "Callable[[Block], None]",
    options: str,
) -> None:
    """Stages all clips of all blocks and finishes the blocks.

    `prepare` and `finish` are sent to the workers. Repeating is harmless: both leave out what is there.
    """
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    class Stage(beam.DoFn):
        def setup(self):
            self.worker = isolated_worker.Worker(prepare, clip.use_cpu)

        def process(self, element):
            number, source = element
            self.worker.send(source)
            result = self.worker.result()
            if isinstance(result, isolated_worker.Died):
                staged_clips.set_aside(stage, source, result.how)
            yield number, source.clip

        def teardown(self):
            self.worker.close()

    elements = [(number, source) for number, block in enumerate(blocks) for source in block.sources]
    with beam.Pipeline(options=PipelineOptions(shlex.split(options))) as pipeline:
        staged = pipeline | beam.Create(elements) | beam.Reshuffle() | "Stage" >> beam.ParDo(Stage())
        staged | beam.GroupByKey() | "Finish" >> beam.Map(lambda group: finish(blocks[group[0]]))
