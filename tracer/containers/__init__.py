"""Python's lists, dicts, sets and deques whose length, keys or order only run time knows.

lists/: lists, as stacks; tables/: dicts and sets; dynamic_deques.py: deques, as two lists; nested_lists.py: lists of lists in
one; ragged_lists.py: lists of arrays of run-time length; dicts_of_lists.py: dicts whose values are lists; live_lists.py: loops
over what changes; rebinding.py, holders.py: names that get another one; list_functions.py, list_sort.py: what is done with
lists; runs.py: itertools.groupby; array_choice.py: one array of several.
"""
