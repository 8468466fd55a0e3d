# The paper's tables and figures, and one file that holds them all.


rule table:
    input:
        lambda job: needs.table(RUN, job.name),
        code=ANALYSIS_CODE,
    output:
        report(
            FOLDER / "tables" / "{name}.csv",
            caption="../report/table.rst",
            category="Tables",
            labels={"table": "{name}"},
        ),
        FOLDER / "tables" / "{name}.md",
        FOLDER / "tables" / "{name}.tex",
        FOLDER / "tables" / "{name}.json",
    log:
        FOLDER / "logs" / "table-{name}.log",
    params:
        configuration=CONFIGURATION,
        settings=SHOWN,
    message:
        "write {wildcards.name}"
    shell:
        "siamrcr table {wildcards.name} --configfile {params.configuration} 2>&1 | tee -i {log}"


rule figure:
    input:
        lambda job: needs.figure(RUN, job.name),
        code=ANALYSIS_CODE,
    output:
        report(
            FOLDER / "figures" / "{name}.svg",
            caption="../report/figure.rst",
            category="Figures",
            labels={"figure": "{name}"},
        ),
        FOLDER / "figures" / "{name}.pdf",
        FOLDER / "figures" / "{name}.png",
    log:
        FOLDER / "logs" / "figure-{name}.log",
    params:
        configuration=CONFIGURATION,
        settings=SHOWN,
        captions=CAPTIONS,
    message:
        "draw {wildcards.name}"
    shell:
        "siamrcr figure {wildcards.name} --configfile {params.configuration} 2>&1 | tee -i {log}"


rule tables:
    input:
        collect(rules.table.output, name=needs.TABLES),


rule figures:
    input:
        collect(rules.figure.output, name=needs.FIGURES),


rule report:
    input:
        rules.tables.input,
        rules.figures.input,
        [FOLDER / "models" / f"{t}.json" for t, (m, _) in TRAINED.items() if RUN.trains(m)],
        code=[*ANALYSIS_CODE, *REPORT_CODE, "siamrcr/strips.py"],
    output:
        FOLDER / "report" / "index.html",
    log:
        FOLDER / "logs" / "report.log",
    params:
        configuration=CONFIGURATION,
    message:
        "write the report"
    shell:
        "siamrcr report --configfile {params.configuration} 2>&1 | tee -i {log}"
