"""A data-parallel fit: workers compute the sums of gradients over their part of the data, the main program takes the steps.

    pip install distributed; python examples/scale_out.py                   dask.distributed, two workers on this machine
    pip install mpi4py; mpiexec -n 2 python examples/scale_out.py --mpi     the same with MPI

The compiled gradient travels to the workers by pickle. One of them compiles it, the others take its kernel from the disk cache.
"""
import argparse
import os

import numpy as np

import tracegrad as tg


def negative_log_likelihood(weight, features, label):
    """The sum over the rows, so that sums of parts add up to the whole."""
    score = features @ weight
    return np.sum(np.logaddexp(0.0, score) - label * score)


gradient = tg.value_and_grad(negative_log_likelihood)


def data(rows=4000, columns=6, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((rows, columns))
    weight = np.linspace(-2.0, 2.0, columns)
    return features, (rng.uniform(size=rows) < 1 / (1 + np.exp(-features @ weight))).astype(float), weight


def steps(total, rows, columns, count=100, rate=2.0):
    """Gradient descent; total(weight) -> (value, gradient), summed over all parts."""
    weight, value = np.zeros(columns), 0.0
    for _ in range(count):
        value, slope = total(weight)
        weight = weight - rate / rows * slope
    return weight, value / rows


def work(weight, part):
    """On a worker: the sums over its part, how the kernel was had, and who has computed it."""
    value, slope = gradient(weight, *part)
    return value, slope, gradient.specializations[0].origin, os.getpid()


def with_dask(workers=2, count=100):
    """(weight, loss, where each worker had its kernel from)."""
    from distributed import Client, LocalCluster

    features, label, _ = data()
    with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        names = list(client.scheduler_info()["workers"])
        parts = [client.scatter(part, workers=[name]) for name, part in
                 zip(names, zip(np.array_split(features, workers), np.array_split(label, workers)))]
        origins = {}

        def total(weight):
            found = client.gather([client.submit(work, weight, part, workers=[name], pure=False)
                                   for name, part in zip(names, parts)])
            origins.update({process: origin for _, _, origin, process in found})
            return sum(value for value, *_ in found), sum(slope for _, slope, *_ in found)

        return *steps(total, *features.shape, count), sorted(origins.values())


def with_mpi(count=100):
    """Each process has a part; all take the same steps."""
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    features, label, _ = data()
    part = [np.array_split(x, world.size)[world.rank] for x in (features, label)]

    def total(weight):
        value, slope = gradient(weight, *part)
        return world.allreduce(float(value)), world.allreduce(slope)

    return *steps(total, *features.shape, count), world.gather(gradient.specializations[0].origin)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mpi", action="store_true")
    weight, loss, origins = with_mpi() if parser.parse_args().mpi else with_dask()
    if origins is not None:                                      # with MPI the first process prints
        print(f"loss {loss:.4f}, weights {np.round(weight, 2)}, kernels of the workers: {', '.join(origins)}")


if __name__ == "__main__":
    main()
