"""np.random on boxes: the distributions as a table (distributions.py), and the methods of generators that draw something else
than single numbers of a distribution (methods.py)."""
