"""``lxc image …``."""
