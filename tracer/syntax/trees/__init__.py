"""Syntax trees of Python as they are read: what is refused, which names live where, and code with one end.

nodes.py walks trees and makes nodes; source_check.py makes sure that the text is the running one, fence.py refuses what cannot
be staged; early_exit.py leaves every block one end, after which liveness.py says which names are read later; conditions.py
marks what is asked only for its truth.
"""
