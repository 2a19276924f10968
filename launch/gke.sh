#!/usr/bin/env bash
# Trains on Google Kubernetes Engine, or GPUs on any Kubernetes with JobSet: fills in a manifest and applies it.
#
#     NAME=hubert IMAGE=registry/image:tag CLAIM=shared-disk NODES=4 GPUS=8 \
#         launch/gke.sh gpu hubert --size large --mesh.fsdp 8
#     NAME=hubert IMAGE=registry/image:tag CLAIM=shared-disk SLICES=2 HOSTS=16 CHIPS=4 \
#         ACCELERATOR=tpu-v5p-slice TOPOLOGY=4x4x4 launch/gke.sh tpu hubert --size large --mesh.slice 2
#
# KUBECTL="kubectl --dry-run=server" only asks the cluster whether it would take the manifest.
set -euo pipefail

usage="usage: NAME=... IMAGE=... CLAIM=... $0 gpu|tpu CONFIG [--field value ...]"
if [ $# -lt 2 ]; then
  echo "$usage" >&2
  exit 2
fi
: "${NAME:?not set: a name for the run, of small letters, digits and -}"
: "${IMAGE:?not set: an image in which jaxtalk is installed}"
: "${CLAIM:?not set: the persistent volume claim for runs (ReadWriteMany: Filestore, Lustre, NFS)}"
case "$1" in
  gpu)
    : "${NODES:?not set: how many nodes}"
    : "${GPUS:?not set: GPUs of each node}"
    ;;
  tpu)
    : "${SLICES:?not set: how many slices}"
    : "${HOSTS:?not set: hosts of each slice}"
    : "${CHIPS:?not set: chips of each host}"
    : "${ACCELERATOR:?not set: value of the node label cloud.google.com/gke-tpu-accelerator, as tpu-v5p-slice}"
    : "${TOPOLOGY:?not set: chips of a slice along its axes, as 4x4x4}"
    ;;
  *)
    echo "$usage" >&2
    exit 2
    ;;
esac
manifest="$(dirname "$0")/jobset_$1.yaml"
shift

# Arguments become a list in JSON, which YAML contains.
ARGUMENTS=$(python3 -c 'import json, sys; print(json.dumps(sys.argv[1:]))' train "$@" --folder "/runs/$NAME")
export NAME IMAGE CLAIM ARGUMENTS NODES GPUS SLICES HOSTS CHIPS ACCELERATOR TOPOLOGY
python3 -c 'import os, sys; sys.stdout.write(os.path.expandvars(sys.stdin.read()))' <"$manifest" |
  ${KUBECTL:-kubectl} apply --filename -
