# One job a tracker and benchmark, or as many as `shards:` says; each resumes by sequence.


# The raw results themselves lie beside: undeclared, so that no failure and no restart removes them.
rule track_shard:
    input:
        lambda job: marker(settings.DATASET[job.benchmark]),
        lambda job: weights(job.tracker) if job.tracker in TRAINED else code(job.tracker),
    output:
        temp(SHARD),
    log:
        FOLDER / "logs" / "track-{tracker}-{benchmark}-{shard}-of-{shards}.log",
    threads: lambda job: GPU_JOB_CORES if job.tracker in TRAINED else 1
    resources:
        gpu=lambda job: GPU if job.tracker in TRAINED else 0,
    params:
        configuration=CONFIGURATION,
        settings=lambda job: tracker_settings(job.tracker),
        root=lambda job: str(RUN.root(job.benchmark)),
    message:
        "track {wildcards.benchmark}, part {wildcards.shard} of {wildcards.shards}, with {wildcards.tracker}"
    shell:
        "siamrcr track {wildcards.tracker} {wildcards.benchmark} --shard {wildcards.shard}/{wildcards.shards}"
        " --configfile {params.configuration} 2>&1 | tee -i {log}"


# After shards it finds all there, and writes the manifest.
rule track:
    input:
        lambda job: marker(settings.DATASET[job.benchmark]),
        lambda job: weights(job.tracker) if job.tracker in TRAINED else code(job.tracker),
        shards,
    output:
        FOLDER / "tracks" / "{tracker}" / "{benchmark}" / "manifest.json",
    log:
        FOLDER / "logs" / "track-{tracker}-{benchmark}.log",
    threads: lambda job: GPU_JOB_CORES if job.tracker in TRAINED else 1
    resources:
        gpu=lambda job: GPU if job.tracker in TRAINED else 0,
    params:
        configuration=CONFIGURATION,
        settings=lambda job: tracker_settings(job.tracker),
        root=lambda job: str(RUN.root(job.benchmark)),
    message:
        "track {wildcards.benchmark} with {wildcards.tracker}"
    shell:
        "siamrcr track {wildcards.tracker} {wildcards.benchmark} --configfile {params.configuration} 2>&1 | tee -i {log}"


rule maps:
    input:
        lambda job: marker(settings.DATASET[RUN.analysis.correlation_benchmark]),
        lambda job: weights(f"{job.model}-s{job.seed}"),
    output:
        FOLDER / "maps" / "{model}-s{seed}.npz",
    log:
        FOLDER / "logs" / "maps-{model}-s{seed}.log",
    threads: GPU_JOB_CORES
    resources:
        gpu=GPU,
    params:
        configuration=CONFIGURATION,
        settings=lambda job: slice_of(job.model, "network", "loss", "tracking"),
        root=lambda job: str(RUN.root(RUN.analysis.correlation_benchmark)),
        frames=RUN.analysis.correlation_frames,
        seed=RUN.analysis.seed,
    message:
        "store score maps of {wildcards.model}, seed {wildcards.seed}"
    shell:
        "siamrcr maps {wildcards.model} --seed {wildcards.seed} --configfile {params.configuration} 2>&1 | tee -i {log}"


rule submit:
    input:
        rules.track.output,
    output:
        FOLDER / "submissions" / "{tracker}" / "{benchmark}.zip",
    log:
        FOLDER / "logs" / "submit-{tracker}-{benchmark}.log",
    params:
        configuration=CONFIGURATION,
        tracks=subpath(input[0], parent=True),
    message:
        "pack {wildcards.benchmark} of {wildcards.tracker} for its server"
    shell:
        "siamrcr submit {wildcards.benchmark} {params.tracks} {output} --configfile {params.configuration} 2>&1 | tee -i {log}"


rule submissions:
    input:
        [FOLDER / "submissions" / t / f"{b}.zip" for t, b in RUN.jobs() if t in TRAINED and b in settings.SERVED],


rule measure:
    input:
        marker(settings.DATASET[SPEED_BENCHMARK]),
        lambda job: weights(job.tracker) if job.tracker in TRAINED else code(job.tracker),
    output:
        FOLDER / "speed" / "{tracker}.json",
    log:
        FOLDER / "logs" / "speed-{tracker}.log",
    # All of them: nothing else runs meanwhile. `workflow.cores` would make every command ask for --cores, --unlock too.
    threads: os.cpu_count()
    resources:
        gpu=lambda job: GPU if job.tracker in TRAINED else 0,
    params:
        configuration=CONFIGURATION,
        benchmark=SPEED_BENCHMARK,
        root=lambda job: str(RUN.root(SPEED_BENCHMARK)),
        settings=lambda job: tracker_settings(job.tracker),
    message:
        "measure the speed of {wildcards.tracker}"
    shell:
        "siamrcr speed {wildcards.tracker} --benchmark {params.benchmark} --configfile {params.configuration} 2>&1 | tee -i {log}"


rule speed:
    input:
        [FOLDER / "speed" / f"{tracker}.json" for tracker in [*TRAINED, *RUN.trackers] if runs(tracker)],
