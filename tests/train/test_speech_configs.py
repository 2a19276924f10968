"""The speech encoders' recipes run from a corpus to weights, with probes of what they learnt."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from configs import hubert, wav2vec2
from jaxtalk.data import corpus
from jaxtalk.data.corpus_options import CorpusOptions
from jaxtalk.io import weights
from jaxtalk.models.speech_encoder import Config, SpeechEncoder
from jaxtalk.train import loop

TINY = dict(width=32, layers=1, conv_width=8, seconds=0.64, batch=4, steps=2, probed=3)


@pytest.fixture(scope="module")
def small_corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("speech") / "corpus"
    corpus.write(CorpusOptions(directory=folder, clips=10))
    return folder


def train(config, folder):
    experiment = dataclasses.replace(config.experiment(), log_every=1)
    loop.run(experiment, folder, devices=jax.devices()[:1])
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    path = folder / f"{experiment.name}.safetensors"
    stored = weights.load(path)
    encoder = Config.of(stored.config)
    like = jax.eval_shape(SpeechEncoder(encoder).init, jax.random.key(0), np.zeros((1, 400), np.float32))
    assert weights.load(path, like=like).name == experiment.name
    return path, lines


@pytest.mark.slow
def test_recipes_run_from_a_corpus_to_weights_and_from_those_to_targets(small_corpus, tmp_path):
    path, lines = train(wav2vec2.Config(corpus=small_corpus, entries=4, **TINY), tmp_path / "wav2vec2")
    assert {"contrastive", "diversity", "right"} <= lines[0].keys()
    assert {"phonemes_log_mel", "phonemes_layer_1"} <= lines[-1].keys()
    assert 0 < lines[-1]["phonemes_log_mel"] < 1
    taught = hubert.Config(
        corpus=small_corpus, teacher=path, teacher_layer=1, clusters=6, clustered=900, **TINY
    )  # fmt: skip
    _, lines = train(taught, tmp_path / "hubert")
    assert {"masked", "unmasked", "right"} <= lines[0].keys()


def test_targets_are_the_clusters_of_each_recordings_frames(small_corpus):
    config = hubert.Config(corpus=small_corpus, clusters=6, clustered=900)
    recordings = wav2vec2.recordings(config)
    found = hubert.targets(config, recordings)
    assert [len(row) for row in found] == [(len(recording) - 400) // 320 + 1 for recording in recordings]
    assert len(np.unique(np.concatenate(found))) == 6
    # A recording's targets depend on its sound alone: what was padded behind it changes nothing.
    row = hubert.describer(config)(recordings[0])
    longer = hubert.describer(config)(np.concatenate([recordings[0], np.zeros(200_000, np.int16)]))
    np.testing.assert_allclose(row[:-10], longer[: len(row) - 10], atol=1e-3)
