"""Logistic regression: the loss that `tracegrad ir` takes apart in the manual, and a fit by gradient descent."""
import numpy as np

import tracegrad as tg


def loss(features, label, weight):
    """Mean negative log-likelihood of labels 0 and 1 given `features @ weight`."""
    score = features @ weight
    return np.mean(np.logaddexp(0.0, score) - label * score)


def main():
    rng = np.random.default_rng(0)
    true_weight = np.array([1.5, -2.0, 0.5])
    features = rng.standard_normal((1000, 3))
    label = (rng.uniform(size=1000) < 1 / (1 + np.exp(-features @ true_weight))).astype(float)
    weight = np.zeros(3)
    step = tg.value_and_grad(loss, argnums=2)
    for _ in range(200):
        value, slope = step(features, label, weight)
        weight -= 2.0 * slope
    print(f"loss {value:.4f}, weights {np.round(weight, 2)} (drawn from {true_weight})")


if __name__ == "__main__":
    main()
