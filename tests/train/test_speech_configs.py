"""The speech encoders' recipes run from a corpus to weights, with probes of what they learnt."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from configs import hubert, wav2vec2
from jaxtalk.data import corpus, corpus_speech, speech_crops
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


def test_targets_are_the_clusters_of_each_recordings_frames_and_are_kept(small_corpus, tmp_path, monkeypatch):
    config = hubert.Config(corpus=small_corpus, kept=tmp_path, clusters=6, clustered=900)
    recordings = wav2vec2.recordings(config)
    found = hubert.targets(config, recordings)
    assert [len(row) for row in found] == [(len(recording) - 400) // 320 + 1 for recording in recordings]
    assert len(np.unique(np.concatenate([row[:] for row in found]))) == 6
    # A recording's targets depend on its sound alone: what was padded behind it changes nothing.
    sound, describe = recordings[0][:], hubert.describer(config)
    row = hubert._told(describe, sound)
    longer = hubert._told(describe, np.concatenate([sound, np.zeros(100_000, np.int16)]))
    np.testing.assert_allclose(row[:-10], longer[: len(row) - 10], atol=1e-3)
    with np.load(next(tmp_path.glob("targets-*")) / "centres.npz") as kept:
        distance = ((row[:, None] / kept["scale"] - kept["centres"][None]) ** 2).sum(-1)
    np.testing.assert_array_equal(distance.argmin(-1), found[0][:])
    # The same again comes from disk; other clusters do not.
    monkeypatch.setattr(hubert.kmeans, "fit", lambda *_, **__: pytest.fail("clusters found anew"))
    again = hubert.targets(config, wav2vec2.recordings(config))
    np.testing.assert_array_equal(found[3][5:9], again[3][5:9])
    with pytest.raises(pytest.fail.Exception, match="anew"):
        hubert.targets(dataclasses.replace(config, clusters=7), recordings)


def test_crops_of_a_corpus_on_disk_are_those_of_its_records(small_corpus, tmp_path):
    sounds = [np.asarray(record["speech"]) for record in corpus.read(small_corpus)]
    lazy = speech_crops.SpeechCrops(corpus_speech.find(small_corpus, tmp_path), 40_000).stream(3, seed=2)
    held = speech_crops.SpeechCrops(sounds, 40_000).stream(3, seed=2)
    for number in range(3):
        np.testing.assert_array_equal(lazy[number]["speech"], held[number]["speech"])
    assert len(list(tmp_path.glob("lengths-*/part-00000.npy"))) == 1


def test_where_recordings_are_trained_on_and_no_corpus_is_there_nothing_is_probed(small_corpus, tmp_path):
    given = hubert.Config(recordings=tmp_path, corpus=tmp_path / "none")
    assert wav2vec2.prober(given, None) is None
    assert wav2vec2.prober(dataclasses.replace(given, corpus=small_corpus), None)
