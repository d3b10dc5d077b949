"""Focal loss (Lin et al. 2017, arXiv:1708.02002) on an unbalanced problem: scikit-learn's breast cancer data, thinned out.

The gradient by hand fills half a page; here it is one call, checked against a difference quotient.
"""
import numpy as np
from sklearn.datasets import load_breast_cancer

import tracegrad as tg


def focal_loss(weight, features, label, gamma=2.0, alpha=0.25):
    p = 1 / (1 + np.exp(-(features @ weight)))
    p = np.clip(p, 1e-7, 1 - 1e-7)
    pt1 = np.where(label == 1, p, 1.0)
    pt0 = np.where(label == 0, p, 0.0)
    positive = alpha * (1 - pt1) ** gamma * np.log(pt1)
    negative = (1 - alpha) * pt0**gamma * np.log(1 - pt0)
    return -np.sum(positive + negative) / label.size


def main():
    data = load_breast_cancer()
    features = (data.data - data.data.mean(axis=0)) / data.data.std(axis=0)
    features = np.column_stack([features, np.ones(len(features))])
    label = 1 - data.target                                   # 1: malignant
    keep = (label == 0) | (np.arange(label.size) % 5 == 0)    # one malignant sample in five stays
    features, label = features[keep], label[keep]
    print(f"{label.sum()} of {label.size} samples are malignant")

    weight = np.zeros(features.shape[1])
    step = tg.value_and_grad(focal_loss)
    velocity = np.zeros_like(weight)
    for _ in range(400):
        value, slope = step(weight, features, label)
        velocity = 0.9 * velocity - 0.5 * slope
        weight = weight + velocity
    found = features @ weight > 0
    recall = np.mean(found[label == 1])
    print(f"focal loss {value:.5f}, accuracy {np.mean(found == label):.3f}, recall of the rare class {recall:.3f}")

    tg.check_grads(lambda w: focal_loss(w, features, label), (0.1 * np.ones_like(weight),), order=1)
    print("gradient agrees with a difference quotient")


if __name__ == "__main__":
    main()
