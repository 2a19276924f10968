#!/usr/bin/env bash
# Trains on a cluster that XPK made: it writes the JobSet and adds what the machines' networks need.
#
#     NAME=hubert CLUSTER=cluster ZONE=zone PROJECT=project IMAGE=registry/image:tag FOLDER=/shared/runs/hubert \
#         TPU_TYPE=v5p-128 SLICES=2 launch/xpk.sh hubert --size large --mesh.slice 2
#     ... DEVICE_TYPE=h200-141gb-8 NODES=4 launch/xpk.sh hubert --size large           on GPUs
#
# FOLDER lies on storage that `xpk storage attach --auto-mount true` has given to the cluster's workloads.
set -euo pipefail

: "${NAME:?not set: a name for the run, of small letters, digits and -}"
: "${CLUSTER:?not set: the cluster}"
: "${ZONE:?not set: its zone}"
: "${PROJECT:?not set: its project}"
: "${IMAGE:?not set: an image in which jaxtalk is installed}"
: "${FOLDER:?not set: the folder of the run, on storage that is attached to the cluster}"
if [ $# -eq 0 ]; then
  echo "usage: NAME=... CLUSTER=... ZONE=... PROJECT=... IMAGE=... FOLDER=... $0 CONFIG [--field value ...]" >&2
  exit 2
fi

# exec: XPK's own shell passes SIGTERM to what it started, which must be jaxtalk itself.
printf -v command '%q ' jaxtalk train "$@" --folder "$FOLDER"
if [ -n "${TPU_TYPE:-}" ]; then
  where=(--tpu-type="$TPU_TYPE" --num-slices="${SLICES:-1}")
  command="exec $command"
else
  : "${DEVICE_TYPE:?not set, nor is TPU_TYPE: what to run on, as XPK calls it}"
  where=(--device-type="$DEVICE_TYPE" --num-nodes="${NODES:-1}")
  # On GPU nodes XPK says the same as JAX_* by other names, and the port apart.
  # shellcheck disable=SC2016  # they are the pod's variables, not ours
  join='JAX_COORDINATOR_ADDRESS=$JAX_COORDINATOR_ADDRESS:$JAX_COORDINATOR_PORT JAX_NUM_PROCESSES=$NNODES'
  # shellcheck disable=SC2016
  join="$join"' JAX_PROCESS_ID=$NODE_RANK'
  command="exec env $join $command"
fi

# Without being told so XPK does not begin anew after status 75, with which a run leaves that was told to stop.
exec xpk workload create --workload="$NAME" --cluster="$CLUSTER" --zone="$ZONE" --project="$PROJECT" \
  "${where[@]}" --docker-image="$IMAGE" --command="$command" \
  --max-restarts="${RESTARTS:-100}" --restart-on-exit-codes=75 --termination-grace-period-seconds=120
