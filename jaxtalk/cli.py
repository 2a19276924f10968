"""The commands. Thin: each parses its options and hands over; heavy imports wait until a command runs."""

import dataclasses
import importlib
import importlib.util
import logging
import sys
from pathlib import Path
from typing import Annotated

from jaxtalk import __version__
from jaxtalk.errors import InputError

USAGE = f"""jaxtalk {__version__}: speech-driven talking faces in JAX

  jaxtalk talk PORTRAIT SPEECH -o out.mp4     a portrait says what a recording says
  jaxtalk avatar fit VIDEO -o person/         one person's video into an avatar
  jaxtalk avatar render person/ SPEECH        the avatar says what a recording says
  jaxtalk mesh SPEECH -o out.glb              a mesh says it: morph targets, Live Link, vertices, video, a web page
  jaxtalk fap SPEECH -o out.fap               MPEG-4 facial animation parameters, or a face that they move
  jaxtalk corpus DIR --clips N                speech with exact phonemes, articulation, head motion
  jaxtalk prepare VIDEOS DIR                  videos of people, or meshes, into training records
  jaxtalk train CONFIG [--field value ...]    trains a network (configs/*.py); continues where it stopped
  jaxtalk plan CONFIG --topology v5p:8x8x8    compiles a train step for a TPU pod here: memory, speed, scaling
  jaxtalk bench [--config CONFIG]             times loader, step, checkpoints, inference on this machine
  jaxtalk eval VIDEO --truth VIDEO             how good is it: pictures, identity, lips, sync; tables, user studies
  jaxtalk convert KIND SRC DST                published face models and checkpoints into ours
  jaxtalk verify FILE                         says how a result was made
  jaxtalk demo                                writes demo/talk.mp4 and demo/talk.glb from shipped samples

jaxtalk COMMAND --help explains each.
"""


def talk(arguments: list[str]) -> None:
    import tyro

    from jaxtalk.systems.talk_options import TalkOptions

    options = tyro.cli(TalkOptions, args=arguments, prog="jaxtalk talk", config=(tyro.conf.FlagCreatePairsOff,))
    from jaxtalk.systems import talk_batch

    for written in talk_batch.run(options):
        print(written)


def avatar(arguments: list[str]) -> None:
    """fit VIDEO, or render PERSON SPEECH."""
    import tyro

    from jaxtalk.systems.avatar_options import FitOptions, RenderOptions

    kinds = {
        "fit": (FitOptions, "jaxtalk.systems.avatar_fit"),
        "render": (RenderOptions, "jaxtalk.systems.avatar_render"),
    }
    if not arguments or arguments[0] not in kinds:
        print("usage: jaxtalk avatar fit VIDEO -o person/ | jaxtalk avatar render person/ SPEECH -o out.mp4")
        sys.exit(0 if arguments in (["-h"], ["--help"]) else 2)
    kind, module = kinds[arguments[0]]
    options = tyro.cli(kind, args=arguments[1:], prog=f"jaxtalk avatar {arguments[0]}")
    print(importlib.import_module(module).run(options))


def fap(arguments: list[str]) -> None:
    import tyro

    from jaxtalk.systems.fap_options import FapOptions

    options = tyro.cli(FapOptions, args=arguments, prog="jaxtalk fap", config=(tyro.conf.FlagCreatePairsOff,))
    from jaxtalk.systems import fap

    live = str(options.source) == "-"  # frames are on standard output then
    for written in fap.run(options):
        print(written, file=sys.stderr if live else sys.stdout)


def mesh(arguments: list[str]) -> None:
    import tyro

    from jaxtalk.systems.mesh_options import MeshOptions

    options = tyro.cli(MeshOptions, args=arguments, prog="jaxtalk mesh", config=(tyro.conf.FlagCreatePairsOff,))
    from jaxtalk.systems import mesh

    for written in mesh.run(options):
        print(written)


def corpus(arguments: list[str]) -> None:
    import tyro

    from jaxtalk.data.corpus_options import CorpusOptions

    options = tyro.cli(CorpusOptions, args=arguments, prog="jaxtalk corpus", config=(tyro.conf.FlagCreatePairsOff,))
    from jaxtalk.data import corpus

    corpus.write(options)


def prepare(arguments: list[str]) -> None:
    import tyro

    from jaxtalk.systems.prepare_options import PrepareOptions

    options = tyro.cli(PrepareOptions, args=arguments, prog="jaxtalk prepare", config=(tyro.conf.FlagCreatePairsOff,))
    from jaxtalk.systems import prepare

    print(prepare.run(options))


def train(arguments: list[str]) -> None:
    """CONFIG is a name in configs/ or the path of a file that defines a dataclass Config with `experiment()`."""
    if not arguments or arguments[0].startswith("-"):
        names = sorted(path.stem for path in _config_folder().glob("[a-z]*.py") if not path.stem.startswith("eval_"))
        print(f"usage: jaxtalk train CONFIG [--field value ...] [--folder runs/NAME]\nconfigs: {', '.join(names)}")
        sys.exit(0 if arguments else 2)
    from jaxtalk.train import distributed

    distributed.init_distributed()
    from jaxtalk.train import loop
    from jaxtalk.train.run_options import RunOptions

    config, options = _configured("train", arguments, RunOptions)
    experiment = config.experiment()
    loop.run(experiment, options.folder or Path("runs") / experiment.name, options=options)


def plan(arguments: list[str]) -> None:
    """CONFIG as `train` has it, of those that give the shapes of their batches."""
    if not arguments or arguments[0].startswith("-"):
        print(
            "usage: jaxtalk plan CONFIG [--field value ...] [--topology v5p:8x8x8] [--slices N] [--rows N] [--quick]\n"
            "                    [--plot FILE] [--json FILE]; CONFIG gives the shapes of its batches, as hubert does"
        )
        sys.exit(0 if arguments else 2)
    from jaxtalk.train.plan_options import PlanOptions

    config, options = _configured("plan", arguments, PlanOptions)
    from jaxtalk.train import plan, topology

    topology.expect_no_tpu()  # before a config makes arrays
    print(plan.run(config.experiment(), options))


def bench(arguments: list[str]) -> None:
    """Names of benchmarks, a config or none, or a report on what several runs wrote."""
    import tyro

    from jaxtalk.systems.bench_options import BenchOptions, ReportOptions, split

    if "--report" in arguments:
        rest = [argument for argument in arguments if argument != "--report"]
        options = tyro.cli(ReportOptions, args=rest, prog="jaxtalk bench --report")
        from jaxtalk.systems import bench_page

        print(bench_page.run(options))
        return
    names, config_name, rest = split(arguments)
    if config_name is None:
        options, experiment = tyro.cli(BenchOptions, args=rest, prog="jaxtalk bench"), None
    else:
        from jaxtalk.train import distributed

        distributed.init_distributed()
        from jaxtalk.systems.bench import ConfigOptions

        config, options = _configured("bench", [config_name, *rest], ConfigOptions)
        experiment = config.experiment()
    from jaxtalk.systems import bench

    for line in bench.run(names, experiment, options, " ".join(arguments)):
        print(line, flush=True)


def evaluate(arguments: list[str]) -> None:
    """A video, a config of a test set (`evaluation()` gives it), or a user study."""
    import tyro

    from jaxtalk.systems.eval_options import EvalOptions, StudyOptions

    if "--study" in arguments:
        rest = [argument for argument in arguments if argument != "--study"]
        options = tyro.cli(StudyOptions, args=rest, prog="jaxtalk eval --study")
        from jaxtalk.systems import eval_study

        print(eval_study.run(options))
    elif arguments and (arguments[0].endswith(".py") or arguments[0].startswith("eval_")):
        from jaxtalk.systems import eval_set
        from jaxtalk.systems.eval_options import SetOptions

        config, options = _configured("eval", arguments, SetOptions)
        test_set = config.evaluation()
        print(eval_set.run(test_set, options.folder or Path("runs") / test_set.name))
    else:
        options = tyro.cli(EvalOptions, args=arguments, prog="jaxtalk eval")
        from jaxtalk.systems import evaluate

        print(evaluate.run(options))


def convert(arguments: list[str]) -> None:
    """KIND SRC DST; `sadtalker`, `geneface` and `codetalker` take several files and write a folder."""
    kinds = {"ict": "jaxtalk.convert.ict", "flame": "jaxtalk.convert.flame", "bfm": "jaxtalk.convert.bfm"}
    kinds |= dict.fromkeys(("wav2vec2", "hubert"), "jaxtalk.convert.speech_encoder")
    kinds |= dict.fromkeys(("syncnet", "wav2lip_syncnet"), "jaxtalk.convert.syncnet")
    perceptual = ("vgg16", "vgg19", "alexnet", "lpips_alex", "lpips_vgg", "inception")
    kinds |= dict.fromkeys(perceptual, "jaxtalk.convert.perceptual")
    kinds |= {"arcface": "jaxtalk.convert.arcface", "niqe": "jaxtalk.convert.niqe"}
    kinds |= dict.fromkeys(fields := ("radnerf", "adnerf"), "jaxtalk.convert.radnerf")
    plain = ("faceformer", "voca", "geneface", "codetalker", "wav2lip", "iplap", "raft")
    kinds |= {name: f"jaxtalk.convert.{name}" for name in plain}
    kinds |= {"sadtalker": "jaxtalk.convert.sadtalker_files"}
    folders = ("sadtalker", "geneface", "codetalker")
    many = arguments[:1] != [] and arguments[0] in folders
    if len(arguments) < 3 or (len(arguments) > 3 and not many) or arguments[0] not in kinds:
        print(f"usage: jaxtalk convert KIND SRC DST ({', '.join(folders)}: FILE... FOLDER)\nkinds: {', '.join(kinds)}")
        sys.exit(0 if arguments in (["-h"], ["--help"]) else 2)
    kind, *sources, destination = arguments
    module = importlib.import_module(kinds[kind])
    if many:
        module.convert([Path(source) for source in sources], Path(destination))
    elif kind in (*perceptual, *fields):  # their files look alike: the network found must be the one asked for
        module.convert(Path(sources[0]), Path(destination), kind)
    else:
        module.convert(Path(sources[0]), Path(destination))
    print(destination)


def verify(arguments: list[str]) -> None:
    if len(arguments) != 1 or arguments[0] in ("-h", "--help"):
        print("usage: jaxtalk verify FILE\nPrints what a file says of how it was made; metadata is easily stripped.")
        sys.exit(0 if arguments in (["-h"], ["--help"]) else 2)
    from jaxtalk.io import provenance

    print(provenance.describe(Path(arguments[0])))


def demo(arguments: list[str]) -> None:
    from jaxtalk.systems import demo

    demo.run()


COMMANDS = {"talk": talk, "mesh": mesh, "fap": fap, "avatar": avatar, "corpus": corpus, "prepare": prepare}
COMMANDS |= {"train": train, "plan": plan, "bench": bench, "eval": evaluate, "convert": convert, "verify": verify}
COMMANDS |= {"demo": demo}


def main(arguments: list[str] | None = None) -> None:
    """Runs a command. Wrong input: one line on standard error and exit status 2."""
    arguments = sys.argv[1:] if arguments is None else arguments
    logging.basicConfig(format="jaxtalk: %(message)s", level=logging.WARNING)
    logging.getLogger("jaxtalk").setLevel(logging.INFO)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, end="")
        sys.exit(0 if arguments else 2)
    if arguments[0] in ("-V", "--version"):
        print(__version__)
        return
    command = COMMANDS.get(arguments[0])
    try:
        if command is None:
            raise InputError(f"no command {arguments[0]!r}; there are {', '.join(COMMANDS)}")
        command(arguments[1:])
    except InputError as error:
        print(f"jaxtalk: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("jaxtalk: interrupted", file=sys.stderr)
        sys.exit(130)


def _configured(command: str, arguments: list[str], options: type) -> tuple:
    """The config that the arguments name, with its fields as they say, and the command's own options."""
    import tyro

    config_type = _config(arguments[0], command).Config
    fields = [
        ("config", Annotated[config_type, tyro.conf.arg(name="")], config_type()),  # nested fields keep their prefixes
        ("options", Annotated[options, tyro.conf.arg(name="")], options()),
    ]
    run = tyro.cli(
        dataclasses.make_dataclass("Run", fields, namespace={"__doc__": config_type.__doc__}, frozen=True),
        args=arguments[1:],
        prog=f"jaxtalk {command} {arguments[0]}",
    )
    return run.config, run.options


def _config_folder() -> Path:
    spec = importlib.util.find_spec("configs")
    if spec is None or not spec.submodule_search_locations:
        raise InputError("the folder configs/ is not installed; give the path of a config file")
    return Path(next(iter(spec.submodule_search_locations)))


def _config(name: str, command: str):
    """The module of a config given by name or path."""
    path = Path(name) if name.endswith(".py") else _config_folder() / f"{name}.py"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in _config_folder().glob("[a-z]*.py")))
        raise InputError(f"{path}: no such config for jaxtalk {command}; there are {known}")
    spec = importlib.util.spec_from_file_location(f"configs.{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
