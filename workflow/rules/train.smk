# One job a model and seed. The checkpoint beside the weights is undeclared, since Snakemake deletes the declared outputs
# of a job that failed; the text of this rule is kept stable, since changing it trains everything again.


rule train:
    input:
        lambda job: [marker(dataset) for dataset in RUN.models[job.model].training.datasets],
        lambda job: pretrained(job.model),
    output:
        weights=FOLDER / "models" / "{model}-s{seed}.safetensors",
        card=FOLDER / "models" / "{model}-s{seed}.json",
    log:
        FOLDER / "logs" / "train-{model}-s{seed}.log",
    retries: 2 if GPU else 0
    threads: GPU_JOB_CORES
    resources:
        gpu=GPU,
    params:
        configuration=CONFIGURATION,
        settings=lambda job: training_settings(job.model),
    message:
        "train {wildcards.model}, seed {wildcards.seed}"
    shell:
        "siamrcr train {wildcards.model} --seed {wildcards.seed} --configfile {params.configuration} 2>&1 | tee -i {log}"
