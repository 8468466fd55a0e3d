"""SiamRCR: reciprocal classification and regression for visual object tracking (IJCAI 2021)."""

__version__ = "0.1.0"
