"""``lxc config …``."""
