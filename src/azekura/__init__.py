"""Azekura: LXD's image system in Python. See docs/design.md for the shape of the whole."""

__version__ = "0.1.0"

# The LXD release whose API and words we speak; sent where clients expect LXD's own version.
LXD_VERSION = "5.0.2"
