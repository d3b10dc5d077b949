"""A Python function becomes IR: source, boxes, views, control flow, NumPy's table. Imports only `ir`."""
