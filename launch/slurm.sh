#!/usr/bin/env bash
# Trains on the nodes of a SLURM cluster, one process for each GPU; a run that is stopped goes on by itself.
#
#     FOLDER=/shared/runs/hubert sbatch --nodes 4 launch/slurm.sh hubert --size large --mesh.fsdp 8
#
# FOLDER must be one folder for all nodes. Partition, account and the like are options of sbatch. The environment in
# which sbatch is called, with jaxtalk in its PATH, is that of the run.
#SBATCH --job-name=jaxtalk
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --signal=USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
# GPUs belong to nodes, not to tasks: each process sees all and takes that of its local number, as NCCL needs it.
# Two minutes before the time is up all processes get SIGUSR1, save and leave with status 75.
set -euo pipefail

: "${SLURM_JOB_ID:?not set: give this script to sbatch}"
: "${FOLDER:?not set: the folder of the run, on a file system that all nodes share}"
if [ $# -eq 0 ]; then
  echo "usage: FOLDER=/shared/runs/NAME sbatch [--nodes N] $0 CONFIG [--field value ...]" >&2
  exit 2
fi

trap : TERM USR1                      # the processes answer these; this script waits for them
export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-1}"  # steps do not inherit it since SLURM 22.05

status=0
# No process is killed because another has left: after a signal some save longer. Where one dies, jax ends the others.
srun --kill-on-bad-exit=0 --label jaxtalk train "$@" --folder "$FOLDER" || status=$?

if [ "$status" -eq 75 ]; then
  echo "saved; back into the queue"
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
