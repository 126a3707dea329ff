"""Python code that computes the numbers of a view with tempotron_core."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tempotron_core.interchange.code_parts import CodeInput, arguments, literal, script

__all__ = [
    "code_statistics_code",
    "encoder_code",
    "evidence_code",
    "laboratory_code",
    "perturbation_code",
    "potentials_code",
    "published_code",
    "replay_code",
    "results_code",
    "rule_code",
    "runs_code",
    "spike_statistics_code",
    "studies_code",
    "training_code",
]


def potentials_code(source: CodeInput, output: int | None = None) -> str:
    """Return the code of the pages Overview and Voltages.

    Args:
        source: the view
        output: class whose tempotrons are shown one by one, None for none
    """
    lines = [
        "decision = tc.predict(model, sample)",
        "times = decision.times  # spike times [features, m] in ms, -1: no spike",
        "v = decision.v  # membrane potentials [classes, T] at 0, 1, ... ms",
        "v_max, t_max = decision.v_max, decision.t_max  # peaks and their times in ms",
        "fired = v_max >= decision.v_threshold",
    ]
    if output is not None:
        lines.append(f"neurons = decision.neurons[{output}]  # of one class: [tempotrons, T]")
    lines += [
        "for name, peak, time in zip(dataset.classes, v_max.tolist(), t_max.tolist()):",
        '    print(f"{name}: v_max {peak:.3f} at {time:g} ms")',
        'print("prediction:", dataset.classes[int(v_max.argmax())])',
    ]
    title = "Membrane potentials, peaks and prediction of one sample."
    return script(title, source.imports, [*source.sample_lines, *source.model_lines], lines)


def encoder_code(
    source: CodeInput, name: str, m: int, beta: float, T: int, x: float | None = None, is_own: bool = False
) -> str:
    """Return the code of the page Encoder: spikes of the sample, tuning curves at a value.

    Args:
        source: the view
        name: name of the code
        m: neurons per feature
        beta: width parameter of the curves
        T: time window in ms
        x: value, 0 to 1, at which the Gaussian curves are shown; None for another code
        is_own: whether the code was computed from the training images of the model
    """
    own = [*source.model_lines, "code = model.code"]
    setup = [*source.sample_lines, *(own if is_own else [f"code = tc.fit_code({literal(name)}, dataset, m={m})"])]
    imports = (*(source.imports if is_own else ()), "import torch")
    constants = f"{m}, {T}, {literal(beta)}"
    lines = [
        "sample = torch.as_tensor(sample)",
        f"times = code.spike_times(sample[None], {constants})[0].view(-1, {m})  # in ms, -1: no spike",
        f"per_ms = torch.bincount(times[times >= 0].long(), minlength={T})",
        f"table = code.spike_table({constants})  # spike times of each value or symbol",
        'print(f"{int((times >= 0).sum()):,} spikes of {times.numel():,} afferents")',
    ]
    if x is not None:
        lines += [
            "",
            f"tuning = tc.pixel_tuning({m}, beta={literal(beta)})",
            "grid = torch.linspace(0, 1, 201).view(1, 1, -1)",
            "curves = tuning.response(grid)[0, 0]  # [201, m]",
            f"x = torch.tensor([[[{literal(x)}]]])",
            f"response, time = tuning.response(x)[0, 0, 0], tuning.encode(x, {T})[0, 0, 0]  # [m]",
            "print(time.tolist())",
        ]
    return script("Spikes of one sample, and tuning curves at one value.", imports, setup, lines)


def spike_statistics_code(source: CodeInput, T: int, time_to_peak: float, classes: int) -> str:
    """Return the code of the page Encoder for recorded spike times.

    Args:
        source: the view
        T: time window in ms
        time_to_peak: time from a spike to the peak of its kernel in ms
        classes: number of classes, 0 without labels
    """
    lines = [
        "spikes = sample[(sample >= 0)]  # spike times in ms",
        f"per_ms = torch.bincount(spikes[spikes < {T}].long(), minlength={T})",
        f"counts = tc.count_spikes(dataset.train, {classes}, {T}, {literal(time_to_peak)})",
        "histogram, information = counts.histogram, counts.information",
        'print(f"{counts.spikes_per_sample:,.1f} spikes a sample")',
        'print(f"{counts.silent_afferents:,} of {counts.afferents:,} afferents are silent")',
        'print(f"{counts.late_spikes:.1%} of the spikes are too late to peak")',
    ]
    setup = [*source.sample_lines, *source.model_lines]
    return script("Statistics of recorded spike times.", (*source.imports, "import torch"), setup, lines)


def code_statistics_code(source: CodeInput, m: int, beta: float, T: int, time_to_peak: float) -> str:
    """Return the code of the second view of the page Encoder: statistics of the code.

    Args:
        source: the view
        m: neurons per feature
        beta: width parameter of the curves
        T: time window in ms
        time_to_peak: time from a spike to the peak of its kernel in ms
    """
    lines = [
        "counts = tc.count_values(dataset.train, len(dataset.classes))",
        f"constants = {m}, {T}, {literal(beta)}, {literal(time_to_peak)}  # m, T, beta, time to the kernel's peak",
        "code = tc.PopulationCode(*constants, counts.histogram, dataset.num_features)",
        "spikes = code.spikes  # of each value, [256]",
        "bits, chance = tc.curve_information(code.table, counts)  # mutual information with the class, [m]",
        'print("different codes:", code.num_codes)',
        'print(f"spikes too late to peak: {code.late_spike_fraction:.1%}")',
        'print(f"entropy preserved: {code.entropy_ratio:.1%}")',
        "for j, information in enumerate(bits.tolist(), 1):",
        '    print(f"curve {j}: {information:.4f} bits")',
    ]
    return script("Information that the code preserves.", (), source.dataset_lines, lines)


def evidence_code(
    source: CodeInput, output: int, rival: int, neuron: int | None = None, time: float | None = None
) -> str:
    """Return the code of the page Evidence.

    Args:
        source: the view
        output: class
        rival: class to compare with
        neuron: one of the tempotrons of the class, None for the strongest
        time: time in ms whose potential is explained, None for the peak
    """
    at = "" if time is None else f", time={literal(time)}"
    which = ("" if neuron is None else f", {neuron}") + at
    lines = [
        "decision = tc.predict(model, sample)",
        f"evidence = tc.evidence(model, decision, {output}{which})",
        "contributions = evidence.contributions  # w K(t_max - t) of each spike, [features, m]",
        f"rival = tc.evidence(model, decision, {rival}{at}).contributions",
        "by_feature, by_neuron = contributions.sum(1), contributions.sum(0)",
        "difference = by_feature - rival.sum(1)",
        'print(f"v_max {evidence.v_max:.4f} at {evidence.t_max} ms")',
        'print(f"sum of the contributions {float(contributions.sum()):.4f}")',
        'print("largest difference: feature", int(difference.abs().argmax()))',
    ]
    title = "Contribution of each spike to the peak of a class."
    return script(title, source.imports, [*source.sample_lines, *source.model_lines], lines)


def perturbation_code(source: CodeInput, perturbation: Mapping[str, Any]) -> str:
    """Return the code of the page Draw and perturb.

    Args:
        source: the view
        perturbation: fields of Perturbation other than 0
    """
    lines = [
        f"perturbation = tc.Perturbation({arguments(perturbation)})",
        "image = tc.perturb_image(torch.as_tensor(sample)[None], perturbation)",
        "spikes = tc.perturb_spikes(model.spike_times(image), perturbation)",
        "clean = tc.predict(model, sample)",
        "perturbed = tc.predict_from_spikes(model, spikes)",
        "v_clean, v = clean.v, perturbed.v  # membrane potentials [classes, T]",
        "times, v_max, t_max = perturbed.times, perturbed.v_max, perturbed.t_max",
        "for name, before, after in zip(dataset.classes, clean.v_max.tolist(), v_max.tolist()):",
        '    print(f"{name}: v_max {before:.3f}, perturbed {after:.3f}")',
    ]
    imports = (*source.imports, "import torch")
    title = "Membrane potentials of a sample and of the perturbed sample."
    return script(title, imports, [*source.sample_lines, *source.model_lines], lines)


def training_code(run: str | None) -> str:
    """Return the code of the page Training: learning curves and weights of a run.

    Args:
        run: run folder, None without one
    """
    if run is None:
        lines = ['print("No run yet: train one on the page Training or with python -m tempotron_core.train.")']
        return script("Learning curves of a run.", (), [], lines)
    lines = [
        f"run = tc.read_run({literal(run)})",
        "epochs = [result.epoch for result in run.epochs]",
        "test_accuracy = [result.test_accuracy for result in run.epochs]",
        'steps, loss = run.points.column("step"), run.points.column("loss")',
        'train_accuracy = run.points.column("accuracy")',
        "for epoch, accuracy in zip(epochs, test_accuracy):",
        '    print(f"epoch {epoch}: test accuracy {accuracy:.2%}")',
        "",
        f"last = tc.load_model({literal(run)})",
        "maps = last.weight.view(len(last.weight), -1, last.m).sum(2)  # [outputs, features]",
        'print("weight norm", float(last.weight.norm()))',
    ]
    return script("Learning curves and weights of a run.", (), [], lines)


def rule_code(source: CodeInput, steps: str, step: Mapping[str, Any]) -> str:
    """Return the code of the page Learning rule.

    Args:
        source: the view
        steps: steps made so far, as in the link
        step: fields of StepSettings of the step that is shown
    """
    lines = [
        f"steps = tc.decode_steps({literal(steps)}, len(dataset.classes))  # made before",
        "sequence = tc.apply_steps(model, torch.as_tensor(sample), steps)",
        f"settings = tc.StepSettings({arguments(step)})",
        "step = tc.learning_step(sequence.model, torch.as_tensor(sample), settings)",
        "v_before, v_after = step.before.v, step.after.v  # membrane potentials [classes, T]",
        "v_max_before, v_max_after = step.before.v_max, step.after.v_max",
        "dw, error = step.dw, step.error  # weight changes [classes, tempotrons, features, m], errors",
        "for name, before, after in zip(dataset.classes, v_max_before.tolist(), v_max_after.tolist()):",
        '    print(f"{name}: v_max {before:.4f}, after the step {after:.4f}")',
    ]
    imports = (*source.imports, "import torch")
    return script("One learning step.", imports, [*source.sample_lines, *source.model_lines], lines)


def replay_code(source: CodeInput, run: str, label: int, classes: int, epoch: int) -> str:
    """Return the code of the page Replay.

    Args:
        source: the view
        run: run folder
        label: class whose margin is shown
        classes: number of classes
        epoch: epoch that is shown
    """
    changes = "".join(f", {name}={literal(value)}" for name, value in source.changes.items())
    lines = [
        f"replay = tc.replay({literal(run)}, sample, {label}, {classes}{changes})",
        "epochs, margin = replay.epochs, replay.margin  # 0: before training",
        f"shown = epochs.index({epoch})",
        "v, v_max, t_max = replay.v[shown], replay.v_max[shown], replay.t_max[shown]",
        "for epoch, value, predicted in zip(epochs, margin.tolist(), replay.predicted.tolist()):",
        '    print(f"epoch {epoch}: margin {value:+.3f}, prediction {dataset.classes[predicted]}")',
    ]
    return script("Prediction for one sample after every epoch of a run.", (), source.sample_lines, lines)


def laboratory_code(problem: Mapping[str, Any], cycles: int, target: bool) -> str:
    """Return the code of the page Laboratory.

    Args:
        problem: fields of Problem
        cycles: cycles learned so far
        target: whether a target pattern is shown, else a null pattern
    """
    lines = [
        f"problem = tc.Problem({arguments(problem)})",
        "session = tc.LearningSession(problem)",
        "session.start()",
        f"for _ in range({cycles}):",
        "    session.run_for(0, cycles=1)",
        "errors = session.errors  # of each cycle",
        f"pattern = int((session.patterns.target == {target}).nonzero()[0])",
        "times = session.patterns.times[pattern]",
        "before = tc.simulate(problem, session.patterns.weight, times)",
        "current = tc.simulate(problem, session.weight, times)",
        "v_before, v = before.v, current.v  # membrane potentials [T]",
        'print("errors per cycle:", errors)',
        'print(f"v_max {before.v_max:.3f} before learning, {current.v_max:.3f} now")',
    ]
    return script("One tempotron learns random patterns.", (), [], lines)


def results_code(source: CodeInput) -> str:
    """Return the code of the page Results."""
    lines = [
        "results = tc.evaluate(model, dataset.test)",
        "confusion = results.confusion  # counts, label by predicted class",
        "per_class, margin = results.per_class, results.margin",
        "v_max, t_max = results.v_max, results.t_max  # [samples, classes]",
        'print(f"test accuracy {results.accuracy:.2%} of {len(results.labels):,} samples")',
        "for name, accuracy in zip(dataset.classes, per_class):",
        '    print(f"{name}: {accuracy:.1%}")',
    ]
    setup = [*source.dataset_lines, *source.model_lines]
    return script("Evaluation on the test set.", source.imports, setup, lines)


def runs_code(runs: Sequence[str]) -> str:
    """Return the code of the page Runs.

    Args:
        runs: folders of the compared runs
    """
    lines = [
        "runs = [",
        *(f"    tc.read_run({literal(run)})," for run in runs),
        "]",
        "test_accuracy = [[result.test_accuracy for result in run.epochs] for run in runs]",
        "train_accuracy = [[result.train_accuracy for result in run.epochs] for run in runs]",
        "for run, accuracies in zip(runs, test_accuracy):",
        '    print(run.name, " ".join(f"{100 * accuracy:.2f}" for accuracy in accuracies))',
    ]
    return script("Test accuracy of runs after each epoch.", (), [], lines)


def studies_code(name: str, log_dir: str, by: str) -> str:
    """Return the code of the page Studies.

    Args:
        name: name of the study
        log_dir: log directory
        by: setting by which the curves are grouped
    """
    lines = [
        f"study = tc.load_study({literal(name)}, {literal(log_dir)})",
        "trials = [trial for trial in study.records() if trial.is_complete]",
        "accuracy = [trial.accuracy for trial in trials]  # on held-out samples",
        "seconds = [trial.seconds for trial in trials]",
        f"(setting,) = (one for one in study.plan.parameters if one.name == {literal(by)})",
        "curves = {group.label: group.mean for group in tc.group_curves(trials, setting)}",
        "for trial in tc.ranked(trials):",
        '    print(f"trial {trial.number}: {trial.accuracy:.2%}", trial.values)',
    ]
    return script("Trials of a study and their mean curves by a setting.", (), [], lines)


def published_code() -> str:
    """Return the code of the page Published curve: the recorded results."""
    lines = [
        "record = tc.published_record()",
        'names = [run["settings"]["recipe"] for run in record["runs"]]',
        'test_accuracy = {name: run["test_accuracy"] for name, run in zip(names, record["runs"])}',
        'train_accuracy = {name: run["train_accuracy"] for name, run in zip(names, record["runs"])}',
        "for name in names:",
        '    print(name, " ".join(f"{100 * accuracy:.2f}" for accuracy in test_accuracy[name]))',
    ]
    return script("Recorded test accuracy of four training regimes.", (), [], lines)
