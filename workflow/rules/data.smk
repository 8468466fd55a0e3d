# Datasets: generated for mini, downloaded and verified otherwise.


if RUN.source == "mini":

    rule mini:
        output:
            MARKERS / "{dataset}.json",
        log:
            FOLDER / "logs" / "mini-{dataset}.log",
        params:
            settings=RUN.mini.model_dump(mode="json"),
        message:
            "generate {wildcards.dataset}"
        shell:
            "siamrcr mini {wildcards.dataset} --configfile {CONFIGURATION} 2>&1 | tee {log}"

else:

    rule download:
        output:
            MARKERS / "{dataset}.json",
        log:
            FOLDER / "logs" / "download-{dataset}.log",
        params:
            expected=RUN.expected,
        retries: 3
        message:
            "download and verify {wildcards.dataset}"
        shell:
            "siamrcr download {wildcards.dataset} --configfile {CONFIGURATION} 2>&1 | tee {log}"
