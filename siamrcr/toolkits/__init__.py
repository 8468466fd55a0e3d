"""Any tracker of ours inside the field's own runners: got10k's experiments and vot-toolkit."""

from pathlib import Path

from siamrcr import baselines, config

CONFIGURATION = Path("workflow/config/mini.yaml")


def source(tracker: str, configfile: Path = CONFIGURATION) -> baselines.Source:
    """What `siamrcr track TRACKER --configfile FILE` runs. Raises InputError where nothing of that name is there."""
    return baselines.source(config.load(configfile), tracker)
