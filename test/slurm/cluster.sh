#!/usr/bin/env bash
# A Slurm cluster of two nodes on this machine, for as long as one command runs:
#   test/slurm/cluster.sh COMMAND...        for example: test/slurm/cluster.sh bash
# The command runs on a third host, the controller's, and has srun, sbatch and scancel at hand. Each
# host has a network, a name and shared memory of its own; the file system is common. Everything
# lives in one PID namespace: when the command ends, or this script is killed, the kernel ends all
# daemons and jobs and takes networks and mounts away. Needs root, but no systemd and no cgroups; the
# packages are those of `scripts/install_dependencies.sh slurm`.
set -euo pipefail
PATH+=:/usr/local/sbin:/usr/sbin:/sbin

self=$(readlink -f "$0")
nodes=(node1 node2)
network=10.77.0 # seen by nobody outside
patience=180    # seconds for what takes one on a quiet machine

fail() {
  echo "$self: $*" >&2
  exit 1
}

# ------------------------------------------------------------------ outside: the one PID namespace

outside() {
  local tool scratch status=0 namespaces
  (($# > 0)) || fail "usage: $self COMMAND..."
  ((EUID == 0)) || fail "needs root, for namespaces with networks of their own"
  for tool in slurmctld slurmd srun sbatch scontrol munged ip unshare nsenter setpriv hostname; do
    command -v "$tool" >/dev/null ||
      fail "there is no $tool; install the packages by scripts/install_dependencies.sh slurm"
  done
  namespaces=(unshare --net --uts --ipc --mount --pid --fork --kill-child --mount-proc)
  "${namespaces[@]}" true || fail "this machine does not permit: ${namespaces[*]}"
  # Not under TMPDIR: the paths of Unix sockets end after 107 characters.
  scratch=$(mktemp -d /tmp/slurm-XXXXXX)
  chmod 755 "$scratch"
  # shellcheck disable=SC2064
  trap "rm -rf '$scratch'" EXIT
  setpriv --pdeathsig KILL "${namespaces[@]}" "$self" --controller "$scratch" "$@" || status=$?
  exit "$status"
}

# ------------------------------------------------------------------ inside: one role for each host

# as_host NAME ADDRESS LINK: the host's own name, shared memory and network interface.
as_host() {
  hostname "$1"
  mount -t tmpfs -o mode=1777 tmpfs /dev/shm
  ip link set lo up
  ip address add "$2/24" dev "$3"
  ip link set "$3" up
}

# Process 1 of the namespace: the command's end is its own.
controller() {
  local status=0 name number=1
  scratch=$1
  shift
  mkdir "$scratch"/{log,munge,run,spool,state,tmp}
  [ -e /etc/hosts ] || : >/etc/hosts
  write_settings
  mount --bind "$scratch/hosts" /etc/hosts
  ip link add bridge type bridge
  as_host controller "$network.1" bridge

  head -c 1024 /dev/urandom >"$scratch/munge/key"
  chmod 600 "$scratch/munge/key"
  daemon munged munged --foreground --force --num-threads=2 --key-file="$scratch/munge/key" \
    --socket="$scratch/munge/socket" --pid-file="$scratch/munge/pid" \
    --seed-file="$scratch/munge/seed"
  await "munged listens" test -S "$scratch/munge/socket"
  daemon controller slurmctld -D -c -f "$scratch/slurm.conf"
  for name in "${nodes[@]}"; do
    number=$((number + 1))
    mkdir "$scratch/tmp/$name"
    daemon "$name" unshare --net --uts --ipc --mount "$self" --node "$scratch" "$name" \
      "$network.$number"
  done
  export SLURM_CONF=$scratch/slurm.conf
  await "all nodes are idle" all_idle

  "$@" || status=$?
  ((status == 0)) || show_logs
  exit "$status"
}

# node SCRATCH NAME ADDRESS: a cable to the controller's bridge, and slurmd.
node() {
  ip link add eth0 type veth peer name "$2" netns 1
  nsenter --target 1 --net ip link set "$2" master bridge up
  as_host "$2" "$3" eth0
  exec slurmd -D -f "$1/slurm.conf" -N "$2"
}

daemon() { # daemon NAME COMMAND...
  local name=$1
  shift
  "$@" </dev/null >"$scratch/log/$name.out" 2>&1 &
}

await() { # await WHAT COMMAND...: until the command succeeds
  local what=$1 end=$((SECONDS + patience))
  shift
  until "$@"; do
    ((SECONDS < end)) || { show_logs && fail "not within $patience s: $what"; }
    sleep 0.1
  done
}

all_idle() {
  [ "$(timeout 30 sinfo --noheader --Node --format %T 2>"$scratch/log/sinfo.out" | sort | uniq -c |
    xargs)" = "${#nodes[@]} idle" ]
}

# What a daemon printed is in its log too, but for what came before the log was opened.
show_logs() {
  tail -n 5 "$scratch"/log/*.out >&2
  tail -n 40 "$scratch"/log/*.log >&2
}

# Every limit is so long that a busy machine is not taken for a dead one.
write_settings() {
  local number=1 name
  printf '127.0.0.1 localhost\n%s controller\n' "$network.1" >"$scratch/hosts"
  cat >"$scratch/slurm.conf" <<SETTINGS
ClusterName=swallow
SlurmctldHost=controller($network.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
# The credentials' life is also what a requeued job waits for.
AuthInfo=socket=$scratch/munge/socket,cred_expire=5

StateSaveLocation=$scratch/state
SlurmdSpoolDir=$scratch/spool/%n
TmpFS=$scratch/tmp/%n
SlurmctldPidFile=$scratch/run/slurmctld.pid
SlurmdPidFile=$scratch/run/%n.pid
SlurmctldLogFile=$scratch/log/slurmctld.log
SlurmdLogFile=$scratch/log/%n.log

ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MailProg=/bin/true
MpiDefault=none
PropagateResourceLimits=NONE
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1
ReturnToService=2
BatchStartTimeout=$patience
MessageTimeout=60
TCPTimeout=30
SlurmdTimeout=$patience
KillWait=5
UnkillableStepTimeout=$patience
SETTINGS
  for name in "${nodes[@]}"; do
    number=$((number + 1))
    echo "$network.$number $name" >>"$scratch/hosts"
    echo "NodeName=$name NodeAddr=$network.$number CPUs=8" >>"$scratch/slurm.conf"
  done
  local list
  list=$(IFS=, && echo "${nodes[*]}")
  echo "PartitionName=all Nodes=$list Default=YES MaxTime=INFINITE" >>"$scratch/slurm.conf"
  # Named outright: left to find it out, slurmd asks for mounted cgroups although it uses none.
  echo 'CgroupPlugin=cgroup/v1' >"$scratch/cgroup.conf"
}

case ${1:-} in
  --controller) controller "${@:2}" ;;
  --node) node "${@:2}" ;;
  *) outside "$@" ;;
esac
