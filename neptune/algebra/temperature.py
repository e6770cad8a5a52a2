"""The learnable numbers of a run: temperatures and the strictness of "and"."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from neptune.algebra.convert import as_float
from neptune.algebra.errors import AlgebraError
from neptune.algebra.frank import THETA_LIMIT
from neptune.algebra.logic import Frank, Logic, get
from neptune.algebra.quantifiers import TAU_MIN, check_tau

T_MIN, T_MAX = 1e-2, 1e2
B_LIMIT = 20.0


class OracleTemperature(nn.Module):
    """Calibrates an oracle's logits, ``logit/T + b`` (Platt 1999; Guo et al. 2017).

    Learnable: ``log_T`` and ``b``. Limits: T in [0.01, 100] (towards 0 crisp, towards ∞ all σ(b)), b in ±20;
    what is learned beyond a limit counts as the limit.

    Parameters
    ----------
    T
        The temperature.
    b
        The shift, in logits.

    Raises
    ------
    AlgebraError
        If T or b is outside its limits.
    """

    def __init__(self, T: float = 1.0, b: float = 0.0) -> None:
        super().__init__()
        if not T_MIN <= T <= T_MAX:
            raise AlgebraError(f"oracle temperature T = {T}", expected=f"a number in [{T_MIN:g}, {T_MAX:g}]")
        if not -B_LIMIT <= b <= B_LIMIT:
            raise AlgebraError(f"oracle shift b = {b}", expected=f"a number in ±{B_LIMIT:g}")
        self.log_T = nn.Parameter(torch.tensor(math.log(T)))
        self.b = nn.Parameter(torch.tensor(float(b)))

    @property
    def T(self) -> Tensor:
        """The temperature, a scalar in [0.01, 100]."""
        return self.log_T.clamp(math.log(T_MIN), math.log(T_MAX)).exp()

    def forward(self, logits: Tensor) -> Tensor:
        """Return calibrated logits, any shape, in the dtype of `logits`; ±∞ stays, and gives T and b no gradient."""
        if not torch.is_grad_enabled() and float(self.log_T) == 0.0 and float(self.b) == 0.0:
            return logits
        return _scaled(logits, self.T.to(logits), self.b.clamp(-B_LIMIT, B_LIMIT).to(logits))

    def to_dict(self) -> dict[str, float]:
        """Return ``{"T": …, "b": …}``."""
        return {"T": float(self.T.detach()), "b": float(self.b.detach().clamp(-B_LIMIT, B_LIMIT))}


def _calibrations(given: Mapping[str, tuple[float, float] | Mapping[str, float]]) -> nn.ModuleDict:
    made = nn.ModuleDict()
    for kind, numbers in given.items():
        T, b = (numbers["T"], numbers["b"]) if isinstance(numbers, Mapping) else numbers
        made[kind] = OracleTemperature(T, b)
    return made


def _scaled(logits: Tensor, T: Tensor, b: Tensor) -> Tensor:
    finite = logits.isfinite()
    safe = torch.where(finite, logits, torch.zeros_like(logits))
    return torch.where(finite, safe / T + b, logits)


class LogicParameters(nn.Module):
    """The learnable numbers of a run, in one module; to and from a JSON-ready dict.

    Parameters
    ----------
    logic
        ``godel``, ``product``, ``lukasiewicz`` or ``frank:S``; for Frank, θ = ln S is learnable.
    quantifier_tau, iota_tau, comparison_tau
        Temperatures in [0, 1e4], learned as logarithms; 0 is the exact limit and stays 0.
    presupposition_b
        A shift in ±20, in logits, of how sure it is that something fits what a question describes: 0 believes the
        oracle alone; more, that questions speak of what is there.
    oracle
        For a kind of predicate, ``(T, b)`` or ``{"T": …, "b": …}``. The kind ``"default"`` is used where a
        kind is not named.
    kinds
        Kind → the predicates of that kind: ``{"Color": ("red", "blue")}``. A predicate that is in no kind is a kind by
        itself.
    answers
        For a kind of answer (``truth``, ``number``, ``text``, ``object``), the T and b of the probability that it is
        reported with, ``σ(logit(p)/T + b)`` (Platt 1999); of a truth it is that of yes. They change no answer; other
        kinds stay as they are.

    Raises
    ------
    AlgebraError
        For an unknown logic, a number outside its limits, or a predicate of two kinds.
    """

    def __init__(
        self,
        logic: str = "godel",
        *,
        quantifier_tau: float = 0.0,
        iota_tau: float = 1.0,
        comparison_tau: float = 0.0,
        presupposition_b: float = 0.0,
        oracle: Mapping[str, tuple[float, float] | Mapping[str, float]] | None = None,
        kinds: Mapping[str, Sequence[str]] | None = None,
        answers: Mapping[str, tuple[float, float] | Mapping[str, float]] | None = None,
    ) -> None:
        super().__init__()
        found = get(logic)
        self._name = found.name
        self.theta: nn.Parameter | None = None
        if isinstance(found, Frank):
            theta = min(max(as_float(found.theta), -THETA_LIMIT), THETA_LIMIT)
            self.theta = nn.Parameter(torch.tensor(theta))
        taus = {"quantifier": quantifier_tau, "iota": iota_tau, "comparison": comparison_tau}
        self.log_tau = nn.ParameterDict()
        for what, tau in taus.items():
            size = check_tau(tau, f"{what}_tau")
            self.log_tau[what] = nn.Parameter(torch.tensor(math.log(size) if size else -math.inf))
        if not -B_LIMIT <= presupposition_b <= B_LIMIT:
            raise AlgebraError(f"presupposition_b = {presupposition_b}", expected=f"a number in ±{B_LIMIT:g}")
        self.presupposition_b = nn.Parameter(torch.tensor(float(presupposition_b)))
        self.oracle = _calibrations({"default": (1.0, 0.0), **(oracle or {})})
        self.answers = _calibrations(answers or {})
        self.kinds = {kind: tuple(names) for kind, names in (kinds or {}).items()}
        self._kind_of: dict[str, str] = {}
        for kind, names in self.kinds.items():
            for name in names:
                if self._kind_of.setdefault(name, kind) != kind:
                    raise AlgebraError(
                        f"'{name}' is of the kinds {self._kind_of[name]} and {kind}", expected="one kind"
                    )

    def _tau(self, what: str) -> float | Tensor:
        log_tau = self.log_tau[what]
        return 0.0 if float(log_tau.detach()) < math.log(TAU_MIN) - 1e-6 else log_tau.exp()

    @property
    def quantifier_tau(self) -> float | Tensor:
        """The quantifiers' temperature: a scalar with gradient, or 0.0 at the limit."""
        return self._tau("quantifier")

    @property
    def iota_tau(self) -> float | Tensor:
        """The descriptions' temperature: a scalar with gradient, or 0.0 at the limit."""
        return self._tau("iota")

    @property
    def comparison_tau(self) -> float | Tensor:
        """The number comparisons' temperature: a scalar with gradient, or 0.0 at the limit."""
        return self._tau("comparison")

    @property
    def presumption(self) -> Tensor:
        """What the odds are multiplied by that something fits a description: a scalar > 0 with gradient."""
        return self.presupposition_b.clamp(-B_LIMIT, B_LIMIT).exp()

    @property
    def logic(self) -> Logic:
        """The logic; for Frank with the learnable θ."""
        return Frank(self.theta) if self.theta is not None else get(self._name)

    def kind_of(self, name: str) -> str:
        """Return the kind whose temperature a predicate has; ``default`` where it has none of its own."""
        kind = name if name in self.oracle else self._kind_of.get(name, name)
        return kind if kind in self.oracle else "default"

    def calibrate(self, logits: Tensor, name: str = "default") -> Tensor:
        """Return the oracle's logits after the temperature of a predicate, or of a kind (see :meth:`kind_of`)."""
        out: Tensor = self.oracle[self.kind_of(name)](logits)
        return out

    def calibrate_rows(self, logits: Tensor, names: Sequence[str]) -> Tensor:
        """Return ``(B, …)`` logits, each row after the temperature of its predicate; the bits are those of
        :meth:`calibrate`."""
        kinds = [self.kind_of(name) for name in names]
        distinct = list(dict.fromkeys(kinds))
        if len(distinct) == 1:
            return self.calibrate(logits, distinct[0])
        modules = [cast(OracleTemperature, self.oracle[kind]) for kind in distinct]
        rows = torch.tensor([distinct.index(kind) for kind in kinds])
        shape = (len(names), *([1] * (logits.dim() - 1)))
        T = torch.stack([m.T for m in modules]).to(logits)[rows].reshape(shape)
        b = torch.stack([m.b.clamp(-B_LIMIT, B_LIMIT) for m in modules]).to(logits)[rows].reshape(shape)
        return _scaled(logits, T, b)

    def believed(self, kind: str, value: object, probability: float) -> float:
        """Return the probability, in [0, 1], that an answer of a kind is reported with; 0 and 1, certain, stay.

        Monotone: bounds of a probability become bounds of what is reported.
        """
        if kind not in self.answers or not 0 < probability < 1:
            return probability
        sign = -1.0 if value is False else 1.0  # the probability of no is 1 - that of yes
        logit = torch.tensor(sign * (math.log(probability) - math.log1p(-probability)), dtype=torch.float64)
        return float(torch.sigmoid(sign * self.answers[kind](logit)).detach())

    def numbers(self) -> tuple[float, ...]:
        """Return all numbers as they are stored, in a fixed order: the same ones mean the same parameters."""
        held = [*self._parameters.values(), *cast(nn.Module, self._modules["log_tau"])._parameters.values()]
        for module in cast(nn.Module, self._modules["oracle"])._modules.values():
            held += cast(nn.Module, module)._parameters.values()
        return tuple([p.item() for p in held if p is not None])

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as JSON-ready types; :meth:`from_dict` reads them."""
        theta = None if self.theta is None else float(self.theta.detach().clamp(-THETA_LIMIT, THETA_LIMIT))
        return {
            "logic": "frank" if theta is not None else self._name,
            "theta": theta,
            **{f"{what}_tau": as_float(self._tau(what)) for what in ("quantifier", "iota", "comparison")},
            "presupposition_b": float(self.presupposition_b.detach().clamp(-B_LIMIT, B_LIMIT)),
            "oracle": {kind: cast(OracleTemperature, module).to_dict() for kind, module in self.oracle.items()},
            **({"kinds": {kind: list(names) for kind, names in self.kinds.items()}} if self.kinds else {}),
            **(
                {"answers": {k: cast(OracleTemperature, m).to_dict() for k, m in self.answers.items()}}
                if len(self.answers)
                else {}
            ),
        }

    @classmethod
    def from_dict(cls, numbers: Mapping[str, Any]) -> LogicParameters:
        """Return the parameters that :meth:`to_dict` wrote; AlgebraError for an unknown field."""
        known = {
            "logic",
            "theta",
            "quantifier_tau",
            "iota_tau",
            "comparison_tau",
            "presupposition_b",
            "oracle",
            "kinds",
            "answers",
        }
        if unknown := set(numbers) - known:
            raise AlgebraError(f"unknown fields {sorted(unknown)}", expected=f"some of {sorted(known)}")
        rest = {k: v for k, v in numbers.items() if k not in ("logic", "theta")}
        theta = numbers.get("theta")
        out = cls("frank:1" if theta is not None else numbers.get("logic", "godel"), **rest)
        if theta is not None:
            out.theta = nn.Parameter(torch.tensor(float(theta)))
        return out
