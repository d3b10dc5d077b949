"""Python's lists, dicts, sets and deques whose length, keys or order only run time knows.

dynamic_lists.py: lists, as stacks of the entries that list_entries.py describes; dynamic_deques.py: deques, as two of them;
nested_lists.py: lists of lists in one of them; live_lists.py: loops over what changes; rebinding.py, holders.py: names that get
another one. hash_tables.py: the tables that
dynamic_dicts.py, dicts_of_lists.py and dynamic_sets.py are made of. list_functions.py, list_sort.py: what is done with lists;
list_programs.py, table_programs.py: the methods, as programs that are traced. array_choice.py: one array of several.
"""
