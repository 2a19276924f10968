#!/usr/bin/env bash
# Trains on all workers of a TPU VM, each of which has jaxtalk[tpu] in a virtual environment of its own.
#
#     TPU=name ZONE=zone PROJECT=project VENV=jaxtalk/.venv FOLDER=/shared/runs/hubert \
#         launch/tpu_vm.sh hubert --size large --mesh.fsdp 16
#
# FOLDER must be one folder for all workers. Called again after an interruption, it goes on from the last checkpoint.
set -euo pipefail

: "${TPU:?not set: the name of the TPU VM}"
: "${ZONE:?not set: its zone}"
: "${PROJECT:?not set: its project}"
: "${VENV:?not set: the virtual environment on every worker, seen from the home folder}"
: "${FOLDER:?not set: the folder of the run, on a file system that all workers share}"
if [ $# -eq 0 ]; then
  echo "usage: TPU=... ZONE=... PROJECT=... VENV=... FOLDER=... $0 CONFIG [--field value ...]" >&2
  exit 2
fi

# Nothing in a worker's environment tells that it has neighbours; jax asks the machine itself where it is told to join.
printf -v command '%q ' env JAXTALK_JOIN=1 "$VENV/bin/jaxtalk" train "$@" --folder "$FOLDER"
exec gcloud compute tpus tpu-vm ssh "$TPU" --zone "$ZONE" --project "$PROJECT" --worker=all --command="$command"
