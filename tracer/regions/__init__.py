"""Tracing a region on a snapshot, and joining what it leaves.

region_tracing.py takes the snapshot, leaf_types.py says what names and items hold across its edge, if_join.py joins two
branches, loop_carry.py and buffer_rotation.py find what a loop carries, list_scan_outputs.py what it appends
to lists; identity.py tells apart arrays whose names run time decides, standings.py lets a name stand for one of several.
"""
