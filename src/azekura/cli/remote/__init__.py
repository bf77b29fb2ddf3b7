"""``lxc remote …``."""
