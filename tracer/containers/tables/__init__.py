"""Dicts and sets whose keys only run time knows: hash_tables.py is what they are made of; table_programs.py: what is done with
them, as programs that are traced."""
