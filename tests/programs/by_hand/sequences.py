"""Dynamic programming, sorting, searching, strings of numbers, graphs."""

import numpy as np

from . import program


def _hmm(r):
    a, b = r.uniform(0.1, 1, (3, 3)), r.uniform(0.1, 1, (3, 4))
    return np.full(3, 1 / 3), a / a.sum(1, keepdims=True), b / b.sum(1, keepdims=True), r.integers(0, 4, 8)


@program(_hmm, wrt=(0, 1, 2))
def viterbi(start, transition, emission, observed):
    n, steps = start.size, observed.size
    score = np.zeros((steps, n))
    back = np.zeros((steps, n), dtype=int)
    score[0] = np.log(start) + np.log(emission[:, observed[0]])
    for t in range(1, steps):
        for j in range(n):
            options = score[t - 1] + np.log(transition[:, j])
            best = np.argmax(options)
            back[t, j] = best
            score[t, j] = options[best] + np.log(emission[j, observed[t]])
    path = np.zeros(steps, dtype=int)
    path[-1] = np.argmax(score[-1])
    for t in range(steps - 2, -1, -1):
        path[t] = back[t + 1, path[t + 1]]
    return path, score[-1].max()


@program(_hmm, wrt=(0, 1, 2))
def hmm_forward(start, transition, emission, observed):
    alpha = start * emission[:, observed[0]]
    loglik = 0.0
    for o in observed[1:]:
        scale = alpha.sum()
        loglik += np.log(scale)
        alpha = (alpha / scale) @ transition * emission[:, o]
    return loglik + np.log(alpha.sum())


@program(lambda r: (r.standard_normal(6), r.standard_normal(5)), wrt=(0, 1))
def dynamic_time_warping(a, b):
    n, m = len(a), len(b)
    cost = np.full((n + 1, m + 1), np.inf)
    cost[0, 0] = 0.0
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            d = (a[i - 1] - b[j - 1]) ** 2
            cost[i, j] = d + min(cost[i - 1, j], cost[i, j - 1], cost[i - 1, j - 1])
    return cost[n, m]


@program(lambda r: (r.standard_normal(6), r.standard_normal(5), 0.5), wrt=(0, 1, 2))
def soft_dtw(a, b, gamma):
    n, m = len(a), len(b)
    cost = np.full((n + 1, m + 1), 1e10)
    cost[0, 0] = 0.0
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            options = np.array([cost[i - 1, j], cost[i, j - 1], cost[i - 1, j - 1]])
            low = options.min()
            soft = low - gamma * np.log(np.sum(np.exp(-(options - low) / gamma)))
            cost[i, j] = (a[i - 1] - b[j - 1]) ** 2 + soft
    return cost[n, m]


@program(lambda r: (r.integers(0, 4, 7), r.integers(0, 4, 6)), wrt=())
def levenshtein(s, t):
    previous = list(range(len(t) + 1))
    for i in range(len(s)):
        current = [i + 1] + [0] * len(t)
        for j in range(len(t)):
            insert = previous[j + 1] + 1
            delete = current[j] + 1
            change = previous[j] + (s[i] != t[j])
            current[j + 1] = min(insert, delete, change)
        previous = current
    return previous[-1]


@program(lambda r: (r.uniform(1, 5, 5), r.integers(1, 4, 5), 7))
def knapsack(values, weights, capacity):
    best = np.zeros(capacity + 1)
    for v, w in zip(values, weights):
        for c in range(capacity, w - 1, -1):
            best[c] = max(best[c], best[c - w] + v)
    return best[capacity]


def _graph(r):
    w = r.uniform(1, 5, (6, 6))
    w[r.uniform(0, 1, (6, 6)) < 0.4] = np.inf
    return (w, 0)


@program(lambda r: (r.uniform(1, 5, (6, 6)), 0))
def dijkstra_dense(weights, source):
    n = weights.shape[0]
    distance = np.full(n, np.inf)
    done = np.zeros(n, dtype=bool)
    distance[source] = 0.0
    for _ in range(n):
        best, u = np.inf, -1
        for v in range(n):
            if not done[v] and distance[v] < best:
                best, u = distance[v], v
        if u < 0:
            break
        done[u] = True
        for v in range(n):
            if not done[v] and distance[u] + weights[u, v] < distance[v]:
                distance[v] = distance[u] + weights[u, v]
    return distance


@program(_graph, wrt=())
def floyd_warshall(weights, source):
    d = weights.copy()
    np.fill_diagonal(d, 0.0)
    n = len(d)
    for k in range(n):
        for i in range(n):
            d[i] = np.minimum(d[i], d[i, k] + d[k])
    return d[source], np.isfinite(d).all()


@program(lambda r: (8, np.array([[0, 1], [2, 3], [1, 3], [4, 5], [6, 6]])), wrt=())
def union_find(n, edges):
    parent = np.arange(n)

    def find(x):
        while parent[x] != x:
            parent[x] = parent[parent[x]]
            x = parent[x]
        return x

    for a, b in edges:
        ra, rb = find(a), find(b)
        if ra != rb:
            parent[max(ra, rb)] = min(ra, rb)
    roots = np.zeros(n, dtype=np.int64)
    for i in range(n):
        roots[i] = find(i)
    return roots, np.unique(roots).size


@program(lambda r: (r.standard_normal(9),), writes=(0,))
def bubble_sort(x):
    n = len(x)
    for i in range(n):
        swapped = False
        for j in range(n - 1 - i):
            if x[j] > x[j + 1]:
                x[j], x[j + 1] = x[j + 1], x[j]
                swapped = True
        if not swapped:
            break


@program(lambda r: (r.standard_normal(9),))
def insertion_sort_weighted(x):
    y = x.copy()
    for i in range(1, y.shape[0]):
        key = y[i]
        j = i - 1
        while j >= 0 and y[j] > key:
            y[j + 1] = y[j]
            j -= 1
        y[j + 1] = key
    return y * np.arange(1, len(y) + 1)


@program(lambda r: (np.sort(r.standard_normal(10)), r.standard_normal(5)), wrt=())
def binary_search(grid, queries):
    found = np.empty(queries.size, dtype=np.int64)
    for k, q in enumerate(queries):
        lo, hi = 0, grid.size
        while lo < hi:
            mid = (lo + hi) // 2
            if grid[mid] < q:
                lo = mid + 1
            else:
                hi = mid
        found[k] = lo
    return found


@program(lambda r: (r.integers(0, 3, 14),), wrt=())
def run_length_encoding(x):
    values = np.zeros_like(x)
    lengths = np.zeros_like(x)
    count = 0
    i = 0
    while i < x.size:
        j = i
        while j < x.size and x[j] == x[i]:
            j += 1
        values[count] = x[i]
        lengths[count] = j - i
        count += 1
        i = j
    return values[:count], lengths[:count]


@program(lambda r: (r.standard_normal(12), 4), wrt=())
def histogram_by_hand(x, bins):
    lo, hi = x.min(), x.max()
    width = (hi - lo) / bins
    counts = np.zeros(bins, dtype=int)
    for v in x:
        k = int((v - lo) // width)
        if k == bins:
            k -= 1
        counts[k] += 1
    edges = lo + width * np.arange(bins + 1)
    return counts, edges


@program(lambda r: (30,), wrt=())
def sieve(n):
    prime = np.ones(n + 1, dtype=bool)
    prime[:2] = False
    i = 2
    while i * i <= n:
        if prime[i]:
            prime[i * i :: i] = False
        i += 1
    return np.nonzero(prime)[0]


@program(lambda r: (84, 36), wrt=())
def gcd_and_lcm(a, b):
    x, y = a, b
    while y:
        x, y = y, x % y
    return x, a * b // x


@program(lambda r: (r.standard_normal(10),))
def maximum_subarray(x):
    best = current = x[0]
    start = best_start = best_end = 0
    for i in range(1, len(x)):
        if current < 0:
            current, start = x[i], i
        else:
            current += x[i]
        if current > best:
            best, best_start, best_end = current, start, i
    return best, best_start, best_end


@program(lambda r: (r.standard_normal(11),))
def quickselect_median(x):
    a = x.copy()
    k = len(a) // 2
    lo, hi = 0, len(a) - 1
    while lo < hi:
        pivot = a[k]
        i, j = lo, hi
        while i <= j:
            while a[i] < pivot:
                i += 1
            while pivot < a[j]:
                j -= 1
            if i <= j:
                a[i], a[j] = a[j], a[i]
                i += 1
                j -= 1
        if j < k:
            lo = i
        if k < i:
            hi = j
    return a[k]


@program(lambda r: (np.array([1, 5, 10, 25]), 63), wrt=())
def coin_change(coins, amount):
    ways = np.zeros(amount + 1, dtype=int)
    ways[0] = 1
    for coin in coins:
        for v in range(coin, amount + 1):
            ways[v] += ways[v - coin]
    return ways[amount]
