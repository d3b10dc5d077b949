"""What outlives a process: files with machine code and with what is known of it.

folder.py says where they lie and whether that place can be trusted; files.py reads and writes one file, safely beside any
number of other processes; objects.py keeps object code under the digest of the text that it was compiled from.
"""
