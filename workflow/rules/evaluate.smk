# Cheap: the rule names the code that it runs, so that a change of a metric evaluates again and trains nothing.


rule evaluate:
    input:
        tracks=tracks,
        truth=lambda job: [marker(settings.DATASET[job.benchmark]), *apart(job.tracker, job.benchmark)],
        code=EVALUATION_CODE,
    output:
        FOLDER / "scores" / "{tracker}" / "{benchmark}.json",
    log:
        FOLDER / "logs" / "evaluate-{tracker}-{benchmark}.log",
    params:
        configuration=CONFIGURATION,
        settings=lambda job: evaluation_settings(job.benchmark),
        given=given,
    message:
        "evaluate {wildcards.tracker} on {wildcards.benchmark}"
    shell:
        "siamrcr evaluate {wildcards.benchmark} {input.tracks} --tracker {wildcards.tracker} --json {output}"
        " --configfile {params.configuration} 2>&1 | tee -i {log}"


rule scores:
    input:
        [FOLDER / "scores" / tracker / f"{benchmark}.json" for tracker, benchmark in RUN.jobs()],
