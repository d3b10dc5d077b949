"""Lists whose length only run time knows: list_entries.py says what their entries have in common, dynamic_lists.py keeps them
as stacks, list_programs.py has their methods as programs that are traced."""
