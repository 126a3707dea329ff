"""Slow float64 loops straight from the equations, shared with nothing in the package.

Spike times are any real numbers and a negative one is no spike; potentials are sampled at t = 0, 1, …, T-1.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def centre(j: int, m: int, x_min: float, x_max: float) -> float:
    """The centre of tuning curve j = 1 … m."""
    return x_min + (2 * j - 3) / 2 * (x_max - x_min) / (m - 2)


def width(m: int, x_min: float, x_max: float, beta: float) -> float:
    """The width sigma that all tuning curves of a feature share."""
    return 1 / beta * (x_max - x_min) / (m - 2)


def tuning(x: float, mu: float, sigma: float) -> float:
    """The response of one tuning curve, in [0, 1]."""
    return math.exp(-((x - mu) ** 2) / (2 * sigma**2))


def unrounded_times(
    x: NDArray[Any], m: int, x_min: Sequence[float], x_max: Sequence[float], beta: float, T: int
) -> Array:
    """(1 - g)·T for x [batch, n, k]: [batch, n, k, m]."""
    batch, n, k = x.shape
    times = np.zeros((batch, n, k, m))
    for b in range(batch):
        for i in range(n):
            sigma = width(m, x_min[i], x_max[i], beta)
            for p in range(k):
                for j in range(1, m + 1):
                    g = tuning(float(x[b, i, p]), centre(j, m, x_min[i], x_max[i]), sigma)
                    times[b, i, p, j - 1] = (1 - g) * T
    return times


def spike_time(unrounded: float, T: int) -> int:
    """The nearest step, a half going to the even one, and -1 from T on."""
    rounded = round(unrounded)
    return rounded if rounded < T else -1


def psp(s: float, tau: float, tau_s: float) -> float:
    """The unnormalised kernel."""
    if s < 0:
        return 0.0
    return math.exp(-s / tau) - math.exp(-s / tau_s)


def peak_delay(tau: float, tau_s: float) -> float:
    """The argument at which the kernel peaks."""
    return tau * tau_s * math.log(tau / tau_s) / (tau - tau_s)


def kernel(s: float, tau: float, tau_s: float, v_threshold: float) -> float:
    """The kernel with its peak at v_threshold."""
    v0 = v_threshold / psp(peak_delay(tau, tau_s), tau, tau_s)
    return v0 * psp(s, tau, tau_s)


def responses(spikes: NDArray[Any], T: int, tau: float, tau_s: float, v_threshold: float) -> Array:
    """K(t - t_i) for spikes [batch, in]: [batch, in, T], all zero for an afferent without a spike."""
    batch, in_features = spikes.shape
    table = np.zeros((batch, in_features, T))
    for b in range(batch):
        for i in range(in_features):
            t_i = float(spikes[b, i])
            if t_i < 0:
                continue
            for t in range(T):
                table[b, i, t] = kernel(t - t_i, tau, tau_s, v_threshold)
    return table


def potential(w: NDArray[Any], table: Array) -> Array:
    """V(t) for weights [out, in] and the responses of the afferents: [batch, out, T]."""
    batch, in_features, T = table.shape
    v = np.zeros((batch, len(w), T))
    for b in range(batch):
        for o in range(len(w)):
            for t in range(T):
                total = 0.0
                for i in range(in_features):
                    total += float(w[o, i]) * float(table[b, i, t])
                v[b, o, t] = total
    return v


def peaks(v: Array) -> tuple[Array, NDArray[np.int64]]:
    """v_max and the first t_max of potentials [batch, out, T]."""
    batch, out, T = v.shape
    v_max, t_max = np.zeros((batch, out)), np.zeros((batch, out), dtype=np.int64)
    for b in range(batch):
        for o in range(out):
            best = 0
            for t in range(1, T):
                if v[b, o, t] > v[b, o, best]:
                    best = t
            v_max[b, o], t_max[b, o] = v[b, o, best], best
    return v_max, t_max


def clear_peaks(v: Array, margin: float) -> NDArray[np.bool_]:
    """Where no other sample comes within margin of the peak, or the rest do so by being exactly at rest."""
    v_max, t_max = peaks(v)
    clear = np.zeros(v_max.shape, dtype=bool)
    for b in range(v.shape[0]):
        for o in range(v.shape[1]):
            near = [float(s) for t, s in enumerate(v[b, o]) if t != t_max[b, o] and s >= v_max[b, o] - margin]
            at_rest = t_max[b, o] == 0 and v_max[b, o] == 0 and all(s == 0 for s in near)
            clear[b, o] = not near or at_rest
    return clear


def output_spikes(v: Array, v_threshold: float) -> Array:
    """t_max where the peak reaches the threshold, else -max(t_max, 1)."""
    v_max, t_max = peaks(v)
    spikes = np.zeros(v_max.shape)
    for b in range(v_max.shape[0]):
        for o in range(v_max.shape[1]):
            t = int(t_max[b, o])
            spikes[b, o] = t if v_max[b, o] >= v_threshold else -max(t, 1)
    return spikes


def grad_v(table: Array, cotangent: Array) -> Array:
    """The gradient [out, in] of sum(cotangent · V), cotangent [batch, out, T]."""
    batch, in_features, T = table.shape
    out = cotangent.shape[1]
    grad = np.zeros((out, in_features))
    for o in range(out):
        for i in range(in_features):
            total = 0.0
            for b in range(batch):
                for t in range(T):
                    total += float(cotangent[b, o, t]) * float(table[b, i, t])
            grad[o, i] = total
    return grad


def grad_v_max(table: Array, t_max: NDArray[np.int64], cotangent: Array) -> Array:
    """The gradient [out, in] of sum(cotangent · v_max), cotangent [batch, out]."""
    batch, in_features, _ = table.shape
    out = cotangent.shape[1]
    grad = np.zeros((out, in_features))
    for b in range(batch):
        for o in range(out):
            for i in range(in_features):
                grad[o, i] += cotangent[b, o] * table[b, i, t_max[b, o]]
    return grad


def grad_spikes(table: Array, v: Array, v_threshold: float, cotangent: Array) -> Array:
    """The straight-through gradient [out, in] of sum(cotangent · output spikes), cotangent [batch, out].

    It is that of the mean time under softmax(V·T), negated for a silent output as its time is.
    """
    batch, out, T = v.shape
    v_max, _ = peaks(v)
    upstream = np.zeros((batch, out, T))
    for b in range(batch):
        for o in range(out):
            shares = [math.exp((float(v[b, o, t]) - float(v_max[b, o])) * T) for t in range(T)]
            total = sum(shares)
            mean = sum(t * share / total for t, share in enumerate(shares))
            sign = 1 if v_max[b, o] >= v_threshold else -1
            for t in range(T):
                upstream[b, o, t] = sign * cotangent[b, o] * T * shares[t] / total * (t - mean)
    return grad_v(table, upstream)


def mse_loss(v_max: Array, v_threshold: float, label: Sequence[int]) -> tuple[float, Array]:
    """The loss for v_max [batch, out], and its gradient."""
    batch, out = v_max.shape
    loss, grad = 0.0, np.zeros((batch, out))
    for b in range(batch):
        for o in range(out):
            fired, wanted = v_max[b, o] >= v_threshold, label[b] == o
            if fired != wanted:
                loss += (v_max[b, o] - v_threshold) ** 2 / batch
                grad[b, o] = 2 * (v_max[b, o] - v_threshold) / batch
    return loss, grad


def pooled_peaks(peaks: Sequence[float]) -> tuple[float, list[float]]:
    """The logarithm of the mean of the exponentials, and each one's share of it."""
    shares = [math.exp(peak - max(peaks)) for peak in peaks]
    total = sum(shares)
    return max(peaks) + math.log(total / len(peaks)), [share / total for share in shares]


def learning_rule_errors(v_max: Sequence[float], v_threshold: float, label: int, rule: str) -> list[float]:
    """How hard a learning rule pushes each output of one sample."""
    total = sum(math.exp(v) for v in v_max)
    errors = []
    for o, v in enumerate(v_max):
        if rule == "cross-entropy":
            errors.append((o == label) - math.exp(v) / total)
        elif (v >= v_threshold) == (o == label):
            errors.append(0.0)
        else:
            errors.append((1 if o == label else -1) * (1 if rule == "linear" else 2 * abs(v_threshold - v)))
    return errors


def learning_rule_step(
    w: NDArray[Any], table: Array, k: int, v_threshold: float, label: int, rate: float, rule: str
) -> tuple[Array, Array, NDArray[np.int64]]:
    """The changes [out, in] of one sample with responses [1, in, T], the errors [out], and t_max [out]."""
    v_max, t_max = peaks(potential(w, table))
    groups = [pooled_peaks(v_max[0, c : c + k].tolist()) for c in range(0, len(w), k)]
    by_class = learning_rule_errors([peak for peak, _ in groups], v_threshold, label, rule)
    errors = np.array([error * share for error, (_, shares) in zip(by_class, groups, strict=True) for share in shares])
    dw = np.zeros(w.shape)
    for o in range(len(w)):
        for i in range(w.shape[1]):
            dw[o, i] = rate * errors[o] * table[0, i, t_max[0, o]]
    return dw, errors, t_max[0]


def exact_potential(w: Array, arrivals: Array, t: Array, last: float, tau: float, tau_s: float, scale: float) -> Array:
    """V at the times t of one neuron without arrivals after last."""
    v = np.zeros(len(t))
    for weight, t_i in zip(w, arrivals, strict=True):
        if 0 <= t_i <= last:
            s = np.maximum(t - t_i, 0)
            v += weight * scale * (np.exp(-s / tau) - np.exp(-s / tau_s))
    return v


def exact_response(
    w: Array, arrivals: Array, T: int, tau: float, tau_s: float, v_threshold: float, shunt: bool
) -> tuple[float, float, float, bool]:
    """v_max, t_max and t_spike (-1 for none) of one neuron, and whether no other peak comes within 1e-7.

    Each piece between two arrivals is sampled at 101 times, and its highest point found by ternary search around the
    highest sample; crossings are found by bisection.
    """
    scale = v_threshold / psp(peak_delay(tau, tau_s), tau, tau_s)
    events = [(float(weight), float(t_i)) for weight, t_i in zip(w, arrivals, strict=True) if t_i >= 0]
    starts = sorted({0.0, *(float(t) for t in arrivals if 0 <= t < T)})
    peaks, t_spike = [(0.0, 0.0)], -1.0
    for start, end in zip(starts, [*starts[1:], float(T)], strict=True):

        def v(t: float, last: float = start) -> float:
            # The same sum as exact_potential, number by number: the searches below ask for one time at once.
            before = ((weight, t - t_i) for weight, t_i in events if t_i <= min(last, t))
            return sum(weight * scale * (math.exp(-s / tau) - math.exp(-s / tau_s)) for weight, s in before)

        def highest(low: float, high: float, last: float = start) -> tuple[float, float]:
            grid = np.linspace(low, high, 101)
            samples = exact_potential(w, arrivals, grid, last, tau, tau_s, scale)
            best = int(samples.argmax())
            low, high = grid[max(best - 1, 0)], grid[min(best + 1, 100)]
            ends = max((samples[best], float(grid[best])), (v(low, last), low), (v(high, last), high))
            for _ in range(100):
                a, b = low + (high - low) / 3, high - (high - low) / 3
                low, high = (a, high) if v(a, last) < v(b, last) else (low, b)
            inner = (v((low + high) / 2, last), float((low + high) / 2))
            return inner if inner[0] > ends[0] + 1e-15 else ends

        peak = highest(start, end)
        if t_spike < 0 and peak[0] >= v_threshold:
            low, high = start, peak[1]
            for _ in range(100):
                middle = (low + high) / 2
                low, high = (low, middle) if v(middle) >= v_threshold else (middle, high)
            t_spike = float(high)
            if shunt:
                peaks.append(highest(t_spike, T))
                break
        peaks.append(peak)
    v_max, t_max = max(peaks, key=lambda peak: peak[0])
    is_clear = all(abs(t - t_max) < 1e-6 or value < v_max - 1e-7 for value, t in peaks)
    return v_max, t_max, t_spike, is_clear
