# Datasets: generated for mini, downloaded and verified otherwise.


if RUN.source == "mini":

    rule mini:
        output:
            MARKERS / "{dataset}.json",
        log:
            FOLDER / "logs" / "mini-{dataset}.log",
        params:
            configuration=CONFIGURATION,
            settings=RUN.mini.model_dump(mode="json"),
        message:
            "generate {wildcards.dataset}"
        shell:
            "siamrcr mini {wildcards.dataset} --configfile {params.configuration} 2>&1 | tee -i {log}"

else:

    rule download:
        output:
            MARKERS / "{dataset}.json",
        log:
            FOLDER / "logs" / "download-{dataset}.log",
        params:
            configuration=CONFIGURATION,
            splits=lambda job: wanted(job.dataset),
        message:
            "download and verify {wildcards.dataset}"
        shell:
            "siamrcr download {wildcards.dataset} --configfile {params.configuration} 2>&1 | tee -i {log}"
