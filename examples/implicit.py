"""Derivatives of what an inner solver finds: a root, and the best weights of a model as a function of its regularisation.

    python examples/implicit.py

The solver runs until it has converged; its iterations are not differentiated. At a root r(x, theta) = 0 the implicit function
theorem gives  dx/dtheta = -(dr/dx)^-1 dr/dtheta,  so the pullback is one linear solve and one pullback of r:

    lambda = (dr/dx)^-T x_bar          theta_bar = -lambda^T dr/dtheta
"""
import numpy as np

import tracegrad as tg


def implicit(residual, solve):
    """The function theta -> x with residual(x, theta) = 0, where solve(theta) finds the vector x."""

    @tg.custom_vjp
    def root(theta):
        return solve(theta)

    def forward(theta):
        x = root(theta)
        return x, (x, theta)

    def backward(kept, x_bar):
        x, theta = kept
        adjoint = np.linalg.solve(tg.jacobian(residual)(x, theta).T, x_bar)
        _, pull = tg.vjp(lambda theta: residual(x, theta), theta)
        return pull(-adjoint)

    root.defvjp(forward, backward)
    return root


# --- a root: where two curves meet --------------------------------------------------------------------------------------------

def curves(x, theta):
    return np.array([x[0] ** 2 + x[1] ** 2 - theta[0], x[0] * x[1] - theta[1]])


def newton(theta):
    x = np.array([2.0, 0.5])
    step = 1.0
    while step > 1e-13:
        move = np.linalg.solve(tg.jacobian(curves)(x, theta), curves(x, theta))
        x = x - move
        step = np.max(np.abs(move))
    return x


meeting = implicit(curves, newton)


# --- an argmin: logistic regression with ridge weight exp(s), fitted anew for every s ---------------------------------------

RNG = np.random.default_rng(0)
X, X_TEST = RNG.standard_normal((40, 4)), RNG.standard_normal((200, 4))
TRUTH = np.array([1.5, -2.0, 0.5, 0.0])
Y = (X @ TRUTH + 2.0 * RNG.standard_normal(40) > 0) * 1.0
Y_TEST = (X_TEST @ TRUTH + 2.0 * RNG.standard_normal(200) > 0) * 1.0


def cross_entropy(w, x, y):
    z = x @ w
    return np.mean(np.logaddexp(0.0, z) - y * z)


def training_loss(w, s):
    return cross_entropy(w, X, Y) + 0.5 * np.exp(s) * np.sum(w * w)


def stationary(w, s):
    """Zero at the best weights."""
    return tg.grad(training_loss)(w, s)


def fit(s):
    w, steps = np.zeros(4), 0
    slope = stationary(w, s)
    while np.max(np.abs(slope)) > 1e-13 and steps < 100:
        move = np.linalg.solve(tg.jacobian(stationary)(w, s), slope)
        w = w - move * min(1.0, 1.0 / np.max(np.abs(move)))         # Newton, with steps of limited length
        slope, steps = stationary(w, s), steps + 1
    return w


weights = implicit(stationary, fit)


def test_loss(s):
    return cross_entropy(weights(s), X_TEST, Y_TEST)


def main():
    theta = np.array([4.0, 1.0])
    print("the curves meet at", tg.jit(meeting)(theta))
    print("which moves with theta as\n", tg.jacrev(meeting)(theta), sep="")

    step, s = tg.value_and_grad(test_loss), 1.0
    for k in range(200):
        loss, slope = step(s)
        if k % 40 == 0:
            print(f"ridge weight {np.exp(s):.4f}   test loss {loss:.5f}   slope {slope:+.5f}")
        s -= 5.0 * slope
    print(f"best ridge weight {np.exp(s):.4f}, test loss {step(s)[0]:.5f}, curvature {tg.grad(tg.grad(test_loss))(s):.4f}")


if __name__ == "__main__":
    main()
