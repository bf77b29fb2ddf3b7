"""``lxc profile …``."""
