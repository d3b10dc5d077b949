"""Ridge regression on scikit-learn's diabetes data, by gradient descent with a compiled gradient of a dict of parameters."""
import numpy as np
from sklearn.datasets import load_diabetes

import tracegrad as tg


def loss(params, features, target, ridge):
    """Half the mean squared error plus a ridge penalty on the weights (not on the bias)."""
    error = features @ params["weight"] + params["bias"] - target
    return 0.5 * np.mean(error**2) + 0.5 * ridge * np.sum(params["weight"] ** 2)


def main():
    data = load_diabetes()
    features, target = data.data / data.data.std(axis=0), data.target
    params = {"weight": np.zeros(features.shape[1]), "bias": np.zeros(())}
    ridge = 1e-3
    slope = tg.value_and_grad(loss)
    for step in range(300):
        value, d = slope(params, features, target, ridge)
        params = {name: params[name] - 0.1 * d[name] for name in params}
        if step % 60 == 0:
            print(f"step {step:3d}  loss {value:10.3f}")
    # the normal equations give the same weights
    centred = features - features.mean(axis=0)
    gram = centred.T @ centred / len(target) + ridge * np.eye(features.shape[1])
    exact = np.linalg.solve(gram, centred.T @ (target - target.mean()) / len(target))
    fitted = loss(params, features, target, ridge)
    best = loss({"weight": exact, "bias": target.mean() - features.mean(axis=0) @ exact}, features, target, ridge)
    print(f"fitted loss {fitted:.4f}, exact minimum {best:.4f}")
    score = 1 - np.var(features @ params["weight"] + params["bias"] - target) / np.var(target)
    print(f"explained variance {score:.3f}")
    assert fitted < best * 1.01


if __name__ == "__main__":
    main()
