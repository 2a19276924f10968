"""Who speaks in which video, by how folders and lists are laid out."""

import pytest

from jaxtalk.data import video_layouts
from jaxtalk.errors import InputError


def folder(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def people(layout, sources):
    return layout, [(source.clip, source.person) for source in sources]


def test_voxceleb_is_recognised_and_sorted(tmp_path):
    videos = folder(tmp_path, "id2/b/00001.mp4", "id1/z/00002.mp4", "id1/z/00001.mp4", "id1/z/notes.txt")
    layout, sources = video_layouts.find(videos, "auto")
    expected = [("id1/z/00001.mp4", "id1"), ("id1/z/00002.mp4", "id1"), ("id2/b/00001.mp4", "id2")]
    assert people(layout, sources) == ("voxceleb", expected)
    assert sources[0].name == "id1-z-00001" and sources[0].path == videos / "id1/z/00001.mp4"
    inside = folder(tmp_path / "whole", "dev/mp4/id7/v/1.mp4")
    assert people(*video_layouts.find(inside, "voxceleb"))[1] == [("dev/mp4/id7/v/1.mp4", "id7")]


def test_hdtf_names_hold_the_person(tmp_path):
    videos = folder(tmp_path, "WDA_BobMenendez_000.mp4", "WDA_BobMenendez_001.mp4", "RD_Radio2_000.mp4")
    layout, sources = video_layouts.find(videos, "auto")
    assert layout == "hdtf"
    assert [source.person for source in sources] == ["RD_Radio2", "WDA_BobMenendez", "WDA_BobMenendez"]
    assert len({source.person for source in video_layouts.find(videos, "flat")[1]}) == 3


def test_other_names_are_a_person_each(tmp_path):
    videos = folder(tmp_path, "anna.mp4", "deep/ben.MOV", "deep/.hidden.mp4", "WDA_BobMenendez_000.mp4")
    layout, sources = video_layouts.find(videos, "auto")
    expected = [("WDA_BobMenendez_000.mp4",) * 2, ("anna.mp4", "anna"), ("deep/ben.MOV", "deep/ben")]
    assert people(layout, sources)[0] == "flat"
    assert [(s.clip.removesuffix(s.path.suffix), s.person) for s in sources] == [
        (clip.removesuffix(".mp4").removesuffix(".MOV"), person.removesuffix(".mp4")) for clip, person in expected
    ]


def test_a_list_says_who_speaks(tmp_path):
    folder(tmp_path, "b.mp4", "in, out/a.mp4")
    (tmp_path / "list.csv").write_text('path,person\n"in, out/a.mp4",Anna\n\nb.mp4,\n')
    layout, sources = video_layouts.find(tmp_path / "list.csv", "auto")
    assert people(layout, sources) == ("list", [("b.mp4", "b"), ("in, out/a.mp4", "Anna")])
    assert all(source.path.is_file() for source in sources)


@pytest.mark.parametrize(
    ("content", "message"), [("a.mp4,Anna,B\n", "line 1 is not"), ("path,person\n", "no videos"), ("\xff", "cannot be")]
)
def test_bad_lists_are_refused(tmp_path, content, message):
    (tmp_path / "list.csv").write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=message):
        video_layouts.find(tmp_path / "list.csv", "auto")


def test_bad_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match="no folder"):
        video_layouts.find(tmp_path / "nowhere", "auto")
    with pytest.raises(InputError, match="no videos"):
        video_layouts.find(folder(tmp_path, "sound.wav"), "auto")
    folder(tmp_path, "a.mp4")
    for layout, message in (("voxceleb", "person/video/clip"), ("hdtf", "person_000")):
        with pytest.raises(InputError, match=message):
            video_layouts.find(tmp_path, layout)
    with pytest.raises(InputError, match="2 videos have the name a"):
        video_layouts.find(folder(tmp_path, "a.mov"), "auto")
