"""
Greeks to the third order through a binomial tree
=================================================

The price of an American option is the value of a tree at whose every node the holder chooses: exercise or wait [1]_.
Its derivatives, the Greeks, go up to the third order here, by nesting derivatives. The tree is a loop over the nodes,
in an array that is overwritten.

Elsewhere: desks take differences of trees, with noise that grows with each order; nested reverse mode in PyTorch
re-records the graph for each level, and JAX compiles a shrinking slice once for each size.

.. [1] Cox, J. C., S. A. Ross and M. Rubinstein, Option pricing: a simplified approach, J. Financial Economics 7 (1979).
   The tree is the one with its centre at the strike, whose prices are smooth: D. P. J. Leisen and M. Reimer, Binomial
   models for option valuation (1996). Reference values: F. Black and M. Scholes (1973).
"""
import math
from timeit import repeat

import matplotlib.pyplot as plt
import numpy as np

import tracegrad as tg

STRIKE, RATE, NODES = 100.0, 0.05, 101

# %%
# The tree of Leisen and Reimer. The probabilities are smooth in all parameters.


def chance(z, n):
    s = z / (n + 1.0 / 3.0 + 0.1 / (n + 1.0))
    root = np.sqrt(0.25 - 0.25 * np.exp(-s * s * (n + 1.0 / 6.0)))
    return 0.5 + np.sign(z) * root


def tree(spot, volatility, maturity, american):
    """The price of a put."""
    n = NODES
    dt = maturity / n
    total = volatility * np.sqrt(maturity)
    d1 = (np.log(spot / STRIKE) + (RATE + 0.5 * volatility * volatility) * maturity) / total
    p, q = chance(d1 - total, n), chance(d1, n)
    growth = np.exp(RATE * dt)
    up, down = growth * q / p, growth * (1.0 - q) / (1.0 - p)
    k = np.arange(n + 1.0)
    value = np.maximum(0.0, STRIKE - spot * up**k * down ** (n - k))
    for level in range(n - 1, -1, -1):
        for k in range(level + 1):
            wait = (p * value[k + 1] + (1.0 - p) * value[k]) / growth
            if american:
                wait = max(wait, STRIKE - spot * up**k * down ** (level - k))
            value[k] = wait
    return value[0]


# %%
# The Greeks: reverse mode for the first order, forward mode over it for each further one.


def by(f, first, *further):
    f = tg.grad(f, argnums=first)
    for n in further:
        f = tg.jacfwd(f, argnums=n)
    return f


SPOT, VOLATILITY = 0, 1
GREEKS = {
    "delta": (SPOT,),
    "gamma": (SPOT, SPOT),
    "speed": (SPOT, SPOT, SPOT),
    "vega": (VOLATILITY,),
    "vanna": (VOLATILITY, SPOT),
}


def cumulative(z):
    return 0.5 * (1.0 + math.erf(z / math.sqrt(2.0)))


def formula(spot, volatility, maturity):
    """The price of the European put, by Black and Scholes."""
    total = volatility * np.sqrt(maturity)
    d = (np.log(spot / STRIKE) + (RATE + 0.5 * volatility * volatility) * maturity) / total
    return STRIKE * np.exp(-RATE * maturity) * cumulative(total - d) - spot * cumulative(-d)


# %%
# For the European put the tree must give what the formula gives, to the third order, too.

compiled = {name: by(tree, *arguments) for name, arguments in GREEKS.items()}
for name, arguments in GREEKS.items():
    found, expected = compiled[name](105.0, 0.25, 0.75, False), by(formula, *arguments)(105.0, 0.25, 0.75)
    print(f"{name:6s} {found:14.6f}   formula {expected:14.6f}")
    assert np.isclose(found, expected, rtol=2e-3)

# %%
# For the American put there is no formula. Below some price of the stock one exercises at once: delta is -1 there, and
# all other Greeks are zero.

spots = np.linspace(75.0, 130.0, 56)
figure, axes = plt.subplots(1, 5, figsize=(11, 2.6), layout="constrained")
for axis, (name, greek) in zip(axes, compiled.items(), strict=True):
    american = np.array([greek(spot, 0.25, 0.75, True) for spot in spots])
    axis.plot(spots, [greek(spot, 0.25, 0.75, False) for spot in spots], color="0.6", label="European")
    axis.plot(spots, american, color="tab:blue", label="American")
    axis.set(title=name, xlabel="price of the stock")
    assert np.isclose(american[0], -1.0 if name == "delta" else 0.0, atol=1e-9)
axes[0].legend()
plt.show()

# %%
# The third derivative, and what NumPy takes for the price alone, measured while this page was built:

speed = compiled["speed"]
ours = min(repeat(lambda: speed(105.0, 0.25, 0.75, True), number=1, repeat=20))
python = min(repeat(lambda: tree(105.0, 0.25, 0.75, True), number=1, repeat=3))
print(f"third derivative in {1e3 * ours:.3f} ms; NumPy takes {python / ours:.1f} times as long for the price alone")
