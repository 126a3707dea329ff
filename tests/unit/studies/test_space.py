"""The space of a study: what it reads, and one sentence for what it cannot use."""

import pytest

from tempotron_core.studies.plan import StudyPlan
from tempotron_core.studies.space import Parameter, SpaceError, parse_space


def test_values_ranges_and_logarithmic_ranges() -> None:
    assert parse_space("beta=1..4 m=4,6,8,16 tau=log:5..100 zero-grad=true,false T=50..90 recipe=reference") == (
        Parameter("beta", (), 1.0, 4.0),
        Parameter("m", (4, 6, 8, 16)),
        Parameter("tau", (), 5.0, 100.0, logarithmic=True),
        Parameter("zero_grad", (True, False)),
        Parameter("T", (), 50.0, 90.0, whole=True),
        Parameter("recipe", ("reference",)),
    )


def test_the_text_of_a_space_is_read_again() -> None:
    parameters = parse_space("beta=1..4 m=4,6 tau=log:5..100 loss=cross-entropy,linear zero_grad=true,false")
    assert parse_space(" ".join(map(str, parameters))) == parameters


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "expected parameters"),
        ("beta", "expected NAME=LOW..HIGH"),
        ("betta=1..4", "expected one of"),
        ("epochs=1..4", "set it with --epochs"),
        ("beta=4..1", "from low to high"),
        ("beta=one..4", "expected a number"),
        ("m=4.5,6", "expected a whole number"),
        ("m=4,4", "expected different values"),
        ("tau=log:0..4", "logarithmic range above 0"),
        ("tau=log:4,5", "name both ends"),
        ("recipe=1..2", "list the values"),
        ("recipe=unknown", "expected one of"),
        ("beta=1..4 beta=1,2", "expected once"),
        ("beta=0..4", "beta"),
        ("m=1,6", "m"),
    ],
)
def test_a_space_that_cannot_be_used_gives_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(SpaceError) as caught:
        parse_space(text)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_setting_cannot_vary_and_be_given() -> None:
    with pytest.raises(SpaceError, match="got both"):
        StudyPlan("beta=1..4", {"beta": 2.0})


def test_a_grid_takes_every_combination_once() -> None:
    plan = StudyPlan("beta=1,2 m=4..6", trials=100, sampler="grid")
    assert plan.trials == 6
    assert plan.grid() == [{"beta": beta, "m": m} for beta in (1.0, 2.0) for m in (4, 5, 6)]
    with pytest.raises(SpaceError, match="list the values"):
        StudyPlan("beta=1..4", sampler="grid")


def test_a_value_that_is_possible_only_with_another_is_taken() -> None:
    assert len(parse_space("tau=2..50 tau_s=1..10")) == 2
