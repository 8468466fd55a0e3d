"""Pairs and schedule: how a SiamRCR network is trained (Section 4.1)."""
