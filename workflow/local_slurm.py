"""A real SLURM on one machine, under one folder: `start` brings it up, `stop FOLDER` ends it and removes the folder.

    eval "$(python workflow/local_slurm.py start)"    # munge, the controller, two nodes; this shell now speaks to them
    snakemake --workflow-profile workflow/profiles/slurm --slurm-status-command squeue
    python workflow/local_slurm.py stop "$SIAMRCR_SLURM"

Needs Debian's packages slurm-wlm and munge, no systemd, no service that runs already, and no root. What the nodes say
of their cores, memory and GPUs is what `start` was told, so that jobs of any size start; nothing holds them to it.
"""

import argparse
import contextlib
import getpass
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
COMMANDS = ("sbatch", "squeue", "srun", "scancel", "scontrol", "sinfo")
CONFIGURATION = """\
ClusterName=local
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
# A job that is requeued starts again after so many seconds.
AuthInfo=socket={folder}/munge.socket,cred_expire=10
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdLogFile={folder}/slurmd-%n.log
SlurmdSpoolDir={folder}/spool-%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
# Without accounting squeue alone knows how a job ended, and only for so many seconds.
MinJobAge=86400
MaxJobCount=100000
ReturnToService=1
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName=node[1-{nodes}] NodeHostname={host} NodeAddr=127.0.0.1 Port={ports} CPUs={cpus} RealMemory={memory}{gres}
PartitionName=DEFAULT Nodes=ALL MaxTime=INFINITE State=UP
PartitionName=cpu Default=YES
PartitionName=gpu
"""


def main() -> None:
    """Start or stop; exit with a message where that cannot be done."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    verbs = parser.add_subparsers(required=True, dest="verb")
    starting = verbs.add_parser("start", formatter_class=parser.formatter_class, help="print shell lines to eval")
    starting.add_argument("--nodes", type=int, default=2, help="node daemons")
    starting.add_argument("--cpus", type=int, default=os.cpu_count(), help="cores that each node claims")
    starting.add_argument("--memory", type=int, default=262_144, help="MiB that each node claims")
    starting.add_argument("--gpus", type=int, default=0, help="GPUs that each node claims")
    verbs.add_parser("stop", help="end all of it, jobs included").add_argument("folder", type=Path)
    options = parser.parse_args()
    if options.verb == "stop":
        stop(options.folder)
        return
    for name, value in start(options.nodes, options.cpus, options.memory, options.gpus).items():
        print(f"export {name}={shlex.quote(value)}")


def start(nodes: int = 2, cpus: int = 2, memory: int = 262_144, gpus: int = 0) -> dict[str, str]:
    """Start a cluster and give the environment variables by which commands reach it, SIAMRCR_SLURM its folder.

    Exits with a message where a program is missing or no node answers.
    """
    missing = [name for name in (*DAEMONS, *COMMANDS) if not _found(name)]
    if missing:
        sys.exit(f"{', '.join(missing)}: not found: apt-get install slurm-wlm munge")
    # The path of a socket has at most 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="siamrcr-slurm-", dir="/tmp"))
    folder.chmod(0o755)
    ports = _free_ports(nodes + 1)
    devices = [folder / f"gpu{index}" for index in range(gpus)]
    text = CONFIGURATION.format(
        folder=folder,
        host=socket.gethostname().split(".")[0],
        user=getpass.getuser(),
        controller_port=ports[0],
        nodes=nodes,
        ports=",".join(map(str, ports[1:])),
        cpus=cpus,
        memory=memory,
        gres=f" Gres=gpu:{gpus}" if gpus else "",
    )
    (folder / "slurm.conf").write_text(text)
    for path in devices:
        path.touch()
    (folder / "gres.conf").write_text("".join(f"NodeName=node[1-{nodes}] Name=gpu File={path}\n" for path in devices))
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o400)
    (folder / "bin").mkdir()
    # The executor takes every SLURM_ variable from a job's environment, so that srun in a job must be told again.
    for name in COMMANDS:
        script = folder / "bin" / name
        script.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {_found(name)} "$@"\n')
        script.chmod(0o755)
    for name in ("state", *(f"spool-node{number}" for number in range(1, nodes + 1))):
        (folder / name).mkdir()
    try:
        _daemon(
            folder,
            *("munged", "--force", f"--key-file={folder}/munge.key", f"--socket={folder}/munge.socket"),
            *(f"--pid-file={folder}/munged.pid", f"--log-file={folder}/munged.log"),
            f"--seed-file={folder}/munge.seed",
        )
        _daemon(folder, "slurmctld")
        for number in range(1, nodes + 1):
            _daemon(folder, "slurmd", "-N", f"node{number}")
        _wait_for_nodes(folder, nodes)
    except BaseException:
        stop(folder)
        raise
    return {
        "SIAMRCR_SLURM": str(folder),
        "SLURM_CONF": str(folder / "slurm.conf"),
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
    }


def stop(folder: Path) -> None:
    """End a cluster, its jobs and daemons, whatever state it is in, and remove its folder."""
    if not (folder / "slurm.conf").exists():
        sys.exit(f"{folder}: no cluster of `local_slurm.py start`")
    # So the commands that wait for a job hear of its end. A controller that is gone answers nobody.
    with contextlib.suppress(subprocess.TimeoutExpired, OSError):
        subprocess.run([folder / "bin" / "scancel", f"--user={getpass.getuser()}"], timeout=5, capture_output=True)
    _wait(lambda: not _processes(folder, ("slurmstepd",)), 5)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in _processes(folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)
        _wait(lambda: not _processes(folder), 5)
    shutil.rmtree(folder)


def _found(name: str) -> str | None:
    """Path of a program; the daemons lie where a user's PATH may not look."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:/sbin")


def _daemon(folder: Path, name: str, *arguments: str) -> None:
    """Start a program that leaves for the background by itself; exit with what it said where it did not."""
    environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf")}
    with (folder / f"{name}.start").open("w+") as printed:
        command = [str(_found(name)), *arguments]
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=printed, stderr=printed)
        printed.seek(0)
        if done.returncode:
            sys.exit(f"{name} did not start: {printed.read().strip()}")


def _wait_for_nodes(folder: Path, nodes: int) -> None:
    deadline = time.monotonic() + 120
    state = ""
    while time.monotonic() < deadline:
        command = [str(folder / "bin" / "sinfo"), "--noheader", "--Node", "--partition=cpu", "--format=%N %T"]
        done = subprocess.run(command, capture_output=True, text=True)
        state = done.stdout + done.stderr
        if done.returncode == 0 and state.count(" idle") == nodes:
            return
        time.sleep(0.2)
    logs = "\n".join(path.read_text()[-2000:] for path in sorted(folder.glob("slurm*.log")))
    sys.exit(f"the nodes are not ready after 120 s: {state.strip()}\n{logs}")


def _wait(done: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    for each in held:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def _processes(folder: Path, names: tuple[str, ...] = (*DAEMONS, "slurmstepd")) -> set[int]:
    """The cluster's daemons, known by the configuration in their environment, and all that descends from them."""
    mark = f"SLURM_CONF={folder}/slurm.conf".encode()
    parents, found = {}, set()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            name, _, fields = (path / "stat").read_text().partition("(")[2].rpartition(")")
            state, parent = fields.split()[:2]
            if state == "Z":
                continue
            parents[int(path.name)] = int(parent)
            if name in names and mark in (path / "environ").read_bytes().split(b"\0"):
                found.add(int(path.name))
        except OSError:
            continue
    while True:
        more = {process for process, parent in parents.items() if parent in found} - found
        if not more:
            return found
        found |= more


if __name__ == "__main__":
    main()
