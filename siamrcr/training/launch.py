"""Start the processes that share a training: by torchrun on this machine, or on every node of a SLURM job."""

import os
import shutil
import socket
import sys

from torch.distributed import run as torchrun
from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from siamrcr.config import Run
from siamrcr.errors import InputError


def launched(run: Run, arguments: list[str]) -> int | None:
    """Run `siamrcr ARGUMENTS` in the configuration's number of processes and nodes, and give the exit status.

    None where this process is to train by itself: it is one of them already, or the only one. A workflow's job thus
    stays the same command whatever shares out its training, and a finished one is not trained again.

    Raises:
        InputError: several nodes are asked for outside a SLURM job.
    """
    processes, nodes = run.training_processes, run.training_nodes
    if "LOCAL_RANK" in os.environ or processes * nodes == 1:
        return None
    command = ["-m", "siamrcr", *arguments]
    if nodes > 1:
        everywhere = [*_srun(run), sys.executable, "-m", "torch.distributed.run", *_meeting(nodes)]
        os.execvp("srun", [*everywhere, f"--nproc-per-node={processes}", *command])
    # In this process, which the workflow's end and the batch system's signals reach as they would a training alone.
    try:
        torchrun.main(["--standalone", f"--nproc-per-node={processes}", *command])
    except ChildFailedError as error:
        # They have said why.
        return next((each.exitcode for each in error.failures.values() if each.exitcode > 0), 1)
    except SignalException as error:
        return 128 + int(error.sigval)
    return 0


def _meeting(nodes: int) -> list[str]:
    """Where the nodes' torchruns meet: on the job's first node, which is where this runs."""
    with socket.socket() as free:
        free.bind(("", 0))
        endpoint = f"{socket.gethostname()}:{free.getsockname()[1]}"
    identity = f"--rdzv-id={os.environ['SLURM_JOB_ID']}"
    return [f"--nnodes={nodes}", "--rdzv-backend=c10d", f"--rdzv-endpoint={endpoint}", identity]


def _srun(run: Run) -> list[str]:
    """One task on every node of the job, with all cores of the job there. What sbatch was told is said again: the
    executor takes SLURM's variables from a job's environment.
    """
    nodes = run.training_nodes
    if "SLURM_JOB_ID" not in os.environ or shutil.which("srun") is None:
        raise InputError(
            f"training_nodes {nodes}: this is no job of SLURM: run Snakemake with workflow/profiles/slurm, or start "
            "torchrun on each node yourself"
        )
    step = ["srun", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1", "--kill-on-bad-exit=1"]
    return [*step, *([] if run.device == "cpu" else [f"--gpus-per-node={run.training_processes}"])]
