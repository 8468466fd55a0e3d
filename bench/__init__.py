"""How fast we are beside the others: medians and ratios of one machine and one run. `python -m bench [SUBJECT ...]`."""
