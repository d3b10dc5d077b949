"""`tracegrad report`: one page on a call, from its source to its machine code, linked line by line.

stages.py: the rows of each stage with the lines that they come from. costs.py: what lines cost, estimated and measured.
flow.py: which lines use what other lines made. model.py: all of it as data. page.py: the data as one HTML file, with the
style of page.css and the behaviour of page.js.
"""
