"""What places and names say in the known sets: a small tree of each, made here as the set is published."""

import pytest

from jaxtalk.data import known_sets, video_layouts
from jaxtalk.errors import InputError

TREES = {
    "voxceleb": ["dev/mp4/id00012/21Uxsk56VDQ/00001.mp4", "test/mp4/id00017/01dfn2spqyE/00001.mp4"],
    "hdtf": ["WDA_ChrisVanHollen0_000.mp4", "WDA_ChrisVanHollen1_002.mp4", "RD_Radio7_000.mp4", "RD_Radio12_000.mp4"],
    "lrs2": [
        "mvlrs_v1/main/5535415699068794046/00001.mp4",
        "mvlrs_v1/main/5535415699068794046/00002.mp4",
        "mvlrs_v1/main/6330311066473698535/00011.mp4",
        "mvlrs_v1/pretrain/6330311066473698535/00012.mp4",
    ],
    "lrs3": ["pretrain/0Fi83BHQsMA/00002.mp4", "trainval/-xk_B3gYgkQ/50001.mp4", "test/1ja-fJ8nQ0w/00003.mp4"],
    "lrw": ["lipread_mp4/ABOUT/train/ABOUT_00001.mp4", "lipread_mp4/YEARS/val/YEARS_00050.mp4"],
    "cremad": ["VideoFlash/1001_DFA_ANG_XX.flv", "VideoFlash/1091_IEO_HAP_HI.flv", "VideoFlash/1040_ITH_SAD_X.flv"],
    "grid": ["s1/bbaf2n.mpg", "s34/video/mpg_6000/swwzza.mpg"],
    "folders": ["anna/1.mp4", "anna/deep/er/2.mp4", "ben/1.mp4"],
}


def plant(root, layout):
    for name in TREES[layout]:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    if layout == "lrs2":
        (root / "train.txt").write_text("")
        (root / "val.txt").write_text("5535415699068794046/00002\n")
        (root / "test.txt").write_text("6330311066473698535/00011 NF\n")
    return root


def found(root, layout="auto"):
    name, sources = video_layouts.find(root, layout)
    return name, {source.clip.rpartition("/")[2].partition(".")[0]: source for source in sources}


@pytest.mark.parametrize("layout", [name for name in TREES if name != "folders"])
def test_every_set_is_recognised_whole_or_a_part_of_it(layout, tmp_path):
    assert found(plant(tmp_path / "set", layout))[0] == layout
    for clip in TREES[layout]:
        assert known_sets.guess([clip]) == layout
        fits = [name for name, pattern in known_sets._PATHS.items() if pattern.fullmatch(clip.rpartition(".")[0])]
        assert len(fits) <= 1 and set(fits) <= {layout}


def test_two_sets_in_one_folder_are_taken_for_neither(tmp_path):
    for layout in ("cremad", "grid"):
        plant(tmp_path, layout)
    assert found(tmp_path)[0] == "flat"


def test_people_of_the_sets(tmp_path):
    people = {
        "voxceleb": {"id00012", "id00017"},
        "hdtf": {"WDA_ChrisVanHollen", "RD_Radio7", "RD_Radio12"},
        "lrs2": {"5535415699068794046", "6330311066473698535"},
        "lrs3": {"0Fi83BHQsMA", "-xk_B3gYgkQ", "1ja-fJ8nQ0w"},
        "lrw": {"lipread_mp4/ABOUT/train/ABOUT_00001", "lipread_mp4/YEARS/val/YEARS_00050"},
        "cremad": {"1001", "1091", "1040"},
        "grid": {"s1", "s34"},
        "folders": {"anna", "ben"},
    }
    for layout, wanted in people.items():
        _, sources = video_layouts.find(plant(tmp_path / layout, layout), layout)
        assert {source.person for source in sources} == wanted, layout


def test_splits_are_those_that_the_sets_have(tmp_path):
    splits = {
        "voxceleb": ["rest", "test"],
        "lrs2": ["train", "validation", "test", "train"],
        "lrs3": ["rest", "test", "rest"],  # in the order of their names
        "lrw": ["train", "validation"],
        "cremad": ["", "", ""],
        "grid": ["", ""],
    }
    for layout, wanted in splits.items():
        _, sources = video_layouts.find(plant(tmp_path / layout, layout), layout)
        assert [source.split for source in sources] == wanted, layout


def test_words_sentences_and_emotions(tmp_path):
    words = found(plant(tmp_path / "lrw", "lrw"))[1]["YEARS_00050"]
    assert (words.label, words.text) == ("YEARS", "YEARS")
    acted = found(plant(tmp_path / "cremad", "cremad"))[1]
    assert acted["1001_DFA_ANG_XX"][-2:] == ("ANG", "Don't forget a jacket.")
    assert acted["1091_IEO_HAP_HI"][-2:] == ("HAP", "It's eleven o'clock.")
    spelled = found(plant(tmp_path / "grid", "grid"))[1]
    assert spelled["bbaf2n"].text == "bin blue at f two now" and spelled["swwzza"].text == "set white with z zero again"


def test_texts_beside_videos(tmp_path):
    video = tmp_path / "00001.mp4"
    assert known_sets.transcript(video) == ""
    for content, wanted in (
        ("Text:  WHEN YOU'RE COOKING\nConf:  4\n\nWORD START END ASDSCORE\n", "WHEN YOU'RE COOKING"),
        ("Disk reference: 6\nChannel: 1\n", ""),  # LRW's say nothing that is said
    ):
        video.with_suffix(".txt").write_text(content)
        assert known_sets.transcript(video) == wanted
    video.with_suffix(".txt").write_bytes(b"Text: \xff")
    assert known_sets.transcript(video) == ""


def test_another_layout_than_is_there_is_refused_with_an_example(tmp_path):
    plant(tmp_path, "grid")
    for layout, example in (("lrw", "WORD/train/WORD_00001"), ("lrs3", "trainval"), ("cremad", "1001_DFA_ANG_XX")):
        with pytest.raises(InputError, match=example):
            video_layouts.find(tmp_path, layout)
    (tmp_path / "loose.mp4").touch()
    with pytest.raises(InputError, match="loose.mp4: is not laid out as folders"):
        video_layouts.find(tmp_path, "folders")


def test_lrs2_without_its_lists_is_refused(tmp_path):
    plant(tmp_path, "lrs2")
    (tmp_path / "val.txt").unlink()
    with pytest.raises(InputError, match="val.txt: the set's list cannot be read"):
        video_layouts.find(tmp_path, "auto")
