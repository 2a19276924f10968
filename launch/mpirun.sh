#!/usr/bin/env bash
# Trains with processes that mpirun starts (Open MPI, MPICH, Intel MPI), one for each GPU or one for each CPU machine.
#
#     PROCESSES=2 FOLDER=runs/toy launch/mpirun.sh hubert                            on this machine
#     PROCESSES=16 HOSTFILE=hosts FOLDER=/shared/runs/hubert launch/mpirun.sh hubert --size large
#
# FOLDER and the installation must be the same for all machines. The status is 75 where a signal has made the processes
# save and leave; started again, the run goes on.
set -euo pipefail

: "${PROCESSES:?not set: how many processes to start}"
: "${FOLDER:?not set: the folder of the run, on a file system that all machines share}"
if [ $# -eq 0 ]; then
  echo "usage: PROCESSES=N FOLDER=/shared/runs/NAME [HOSTFILE=hosts] $0 CONFIG [--field value ...]" >&2
  exit 2
fi

machines=()
first=localhost
if [ -n "${HOSTFILE:-}" ]; then
  machines=(--hostfile "$HOSTFILE")
  first=$(awk 'NF && !/^#/ { sub(":.*", "", $1); print $1; exit }' "$HOSTFILE")
fi
: "${COORDINATOR:=$first:55527}"      # where the first process listens; the others come to it

# MPI says to each process which one it is, but not where the first one runs; env is understood by every mpirun.
# Open MPI would bind each process to one core, on which its data threads would crowd.
exec mpirun -n "$PROCESSES" --bind-to none "${machines[@]}" \
  env JAX_COORDINATOR_ADDRESS="$COORDINATOR" "$(command -v jaxtalk)" train "$@" --folder "$FOLDER"
