# From download to report: `snakemake --cores all` runs mini, `--configfile workflow/config/paper.yaml` the paper.
import os
import sys
from pathlib import Path

from snakemake.utils import min_version, validate

from siamrcr import config as settings
from siamrcr.errors import InputError
from siamrcr.files import probe

min_version("9.25")


# Used with --sdm apptainer alone. Built from the lock by: docker build --tag siamrcr:0.1.0 .  Or a file of Apptainer's own.
container: os.environ.get("SIAMRCR_CONTAINER", "docker-daemon://siamrcr:0.1.0")


# ---- configuration: --configfile is merged over whatever was loaded before, so mini must not lie beneath another run
if not workflow.overwrite_configfiles:

    configfile: "workflow/config/mini.yaml"


try:
    RUN = settings.resolve(config, " ".join(map(str, workflow.configfiles)))
except InputError as error:
    raise WorkflowError(str(error)) from None
# What Snakemake's own --config hands over as text has its type by now.
validate(RUN.model_dump(mode="json"), "workflow/config/schema.json", set_default=False)


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/track.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"


# ---- targets
localrules:
    all,
    scores,
    tables,
    figures,
    submissions,
    speed,


rule all:
    default_target: True
    input:
        rules.report.output,
        rules.tables.input,
        rules.figures.input,
        rules.submissions.input,


onstart:
    try:
        # Snakemake tells of a disk that refuses by a traceback, and only once it prepares the first job.
        probe(FOLDER)
        settings.write(config, CONFIGURATION)
    except InputError as error:
        raise WorkflowError(str(error)) from None
    announce(workflow.dag)


onsuccess:
    print(f"The report is {RUN.folder / 'report' / 'index.html'}")
    if not RUN.comparable:
        print(
            "At the paper's scale: snakemake --cores all --configfile workflow/config/paper.yaml (first with --dry-run)"
        )


onerror:
    print(f"What a job printed is under {RUN.folder / 'logs'}; the same command continues where this run stopped.")
