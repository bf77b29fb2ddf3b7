"""``lxc``: LXD's client, command by command, and a few commands LXD's users wish for.

``main`` finds the command in :mod:`azekura.cli.tree`, imports its module and runs it. What ``lxc image list`` and
``lxc list`` import is kept small on purpose (tests/cli/test_start_up.py): no argparse, dataclasses, typing, pathlib.
"""
