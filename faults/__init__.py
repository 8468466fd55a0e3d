"""The fault campaign: finished runs are disturbed, and the same command must end in the same bytes, or say why not."""
