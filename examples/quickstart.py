"""README's example: a leaky integrator written as a plain loop, its value and its exact gradient."""
import numpy as np

import tracegrad as tg


def energy(leak, drive):
    state, total = 0.0, 0.0
    for i in range(drive.shape[0]):
        state = np.tanh(leak * state + drive[i])
        total += state**2
    return total


drive = np.random.default_rng(0).standard_normal(50)
value, (d_leak, d_drive) = tg.value_and_grad(energy, argnums=(0, 1))(0.5, drive)
print(f"energy {value:.6f} (Python says {energy(0.5, drive):.6f})")
print(f"d energy / d leak = {d_leak:.6f}")

step = 1e-6
difference = (energy(0.5 + step, drive) - energy(0.5 - step, drive)) / (2 * step)
print(f"central difference  {difference:.6f}")
assert abs(d_leak - difference) < 1e-6
