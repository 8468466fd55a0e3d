# One job a model and seed, on as many GPUs and nodes as the configuration says. The checkpoint beside the weights is
# undeclared, since Snakemake deletes the declared outputs of a job that failed; the command and its parameters are kept
# stable, since changing them trains everything again: the command itself starts the processes of a shared training.

# SLURM: one task a node, which the command starts, and a node's share of the GPUs. Unset where one node does it, since
# the executor takes the mere presence of `mpi` for its value.
SPREAD = (
    dict(
        nodes=RUN.training_nodes,
        tasks=RUN.training_nodes,
        tasks_per_gpu=0,
        mpi="srun",
        **(dict(slurm_extra=f"--gpus-per-node={RUN.training_processes}") if GPU else {}),
    )
    if RUN.training_nodes > 1
    else {}
)


rule train:
    input:
        lambda job: [marker(dataset) for dataset in verification.trained_from(RUN, job.model)],
    output:
        weights=FOLDER / "models" / "{model}-s{seed}.safetensors",
        card=FOLDER / "models" / "{model}-s{seed}.json",
    log:
        FOLDER / "logs" / "train-{model}-s{seed}.log",
    retries: 2 if GPU else None
    threads: GPU_JOB_CORES * RUN.training_processes
    resources:
        **SPREAD,
        gpu=GPU * RUN.training_processes * RUN.training_nodes,
    params:
        configuration=CONFIGURATION,
        settings=lambda job: training_settings(job.model),
    message:
        "train {wildcards.model}, seed {wildcards.seed}"
    shell:
        "siamrcr train {wildcards.model} --seed {wildcards.seed} --configfile {params.configuration} 2>&1 | tee -i {log}"
