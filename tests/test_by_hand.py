"""The programs of tests/by_hand: compiled equals Python equals evaluator; gradient, both modes, second order."""
import dataclasses

import numpy as np
import pytest
from by_hand import PROGRAMS
from cases import copied, directional, loss
from test_cases import args_of, assert_same, inner

import tracegrad as tg

SMOOTH = [p for p in PROGRAMS.values() if p.wrt]
