"""liblxc's programs as subprocesses; state from pidfds, cgroups and netlink."""
