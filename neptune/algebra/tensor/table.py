"""What a tensor holds: probabilities or logits, one axis for each named variable, and masks for padding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from neptune.algebra.convert import to_logit, to_probability
from neptune.algebra.errors import AlgebraError
from neptune.algebra.late import is_tensor, torch
from neptune.algebra.logic import Logic, get, godel
from neptune.algebra.tensor.axes import Domain, check_domain, check_vars, name_list, positions, show
from neptune.algebra.tensor.html import render

if TYPE_CHECKING:
    from torch import Tensor

Names = str | Sequence[str]


class Table:
    """An immutable table of probabilities; :class:`ProbabilisticTensor` is one with the operations of the algebra."""

    __slots__ = ("_domain", "_logic", "_logits", "_negation", "_values", "_vars")

    def __init__(
        self,
        values: Tensor | Sequence[Any] | float,
        vars: Names = (),
        domain: Mapping[str, Tensor | None] | None = None,
        *,
        logic: Logic | str = godel,
    ) -> None:
        cells = _cells(values)
        self._vars = name_list(vars)
        check_vars(self._vars, cells.shape)
        good = (cells >= 0) & (cells <= 1)
        if not bool(good.all()):
            _bad_cell(cells, good, self._vars, "a probability in [0, 1]", "use from_logits for logits")
        self._values: Tensor | None = cells
        self._logits: Tensor | None = None
        self._domain: Domain = check_domain(domain, self._vars, cells.shape, cells.device)
        self._logic = get(logic)
        self._negation: Self | None = None

    @classmethod
    def from_logits(
        cls,
        logits: Tensor | Sequence[Any] | float,
        vars: Names = (),
        domain: Mapping[str, Tensor | None] | None = None,
        *,
        logic: Logic | str = godel,
    ) -> Self:
        """Return the tensor with these logits, ``ln(p / (1 - p))``; ±∞ is exactly 1 or 0, NaN is an error.

        Parameters as in the class. godel computes on the logits themselves.
        """
        cells = _cells(logits)
        names = name_list(vars)
        check_vars(names, cells.shape)
        good = ~cells.isnan()
        if not bool(good.all()):
            _bad_cell(cells, good, names, "a logit", "missing evidence has no probability: leave the cell out")
        return cls._make(names, check_domain(domain, names, cells.shape, cells.device), get(logic), logits=cells)

    @classmethod
    def _make(
        cls,
        vars: tuple[str, ...],
        domain: Domain,
        logic: Logic,
        *,
        values: Tensor | None = None,
        logits: Tensor | None = None,
    ) -> Self:
        self = object.__new__(cls)
        self._vars, self._domain, self._logic = vars, {v: m for v, m in domain.items() if v in vars}, logic
        self._values, self._logits, self._negation = values, logits, None
        return self

    def _like(self, internal: Tensor, vars: tuple[str, ...], domain: Domain | None = None) -> Self:
        domain = self._domain if domain is None else domain
        if self._logic.uses_logits:
            return self._make(vars, domain, self._logic, logits=internal)
        return self._make(vars, domain, self._logic, values=internal)

    # ---- what it holds ----

    @property
    def vars(self) -> tuple[str, ...]:
        """The variables, in the order of the axes."""
        return self._vars

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of objects of each variable, padding included."""
        return tuple(self._any().shape)

    @property
    def domain(self) -> dict[str, Tensor] | None:
        """The masks of the variables that have padding, or None if none has."""
        return dict(self._domain) or None

    @property
    def logic(self) -> Logic:
        """The logic of its operations."""
        return self._logic

    @property
    def values(self) -> Tensor:
        """Probabilities in [0, 1], shape ``shape``. Not to be written to."""
        if self._values is not None:
            return self._values
        assert self._logits is not None
        out = to_probability(self._logits)
        if not out.requires_grad and not self._logits.requires_grad:  # a graph lives for one backward only
            self._values = out
        return out

    @property
    def logits(self) -> Tensor:
        """Logits, shape ``shape``; ∓∞ where the probability is exactly 0 or 1. Not to be written to."""
        if self._logits is not None:
            return self._logits
        assert self._values is not None
        out = to_logit(self._values)
        if not out.requires_grad and not self._values.requires_grad:
            self._logits = out
        return out

    @property
    def internal(self) -> Tensor:
        """The numbers that its logic computes on: logits for godel, else probabilities."""
        return self.logits if self._logic.uses_logits else self.values

    def _any(self) -> Tensor:
        out = self._values if self._values is not None else self._logits
        assert out is not None
        return out

    @property
    def dtype(self) -> torch.dtype:
        """The floating type of the values."""
        return self._any().dtype

    @property
    def device(self) -> torch.device:
        """The device of the values."""
        return self._any().device

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow through the values."""
        return self._any().requires_grad

    def size(self, var: str) -> int:
        """Return the number of objects of a variable, padding included."""
        return self.shape[positions(var, self._vars, self.shape)[0]]

    def item(self) -> float:
        """Return the probability of a tensor without variables as a float; AlgebraError if it has variables."""
        if self._vars:
            raise AlgebraError(
                f"item() of a tensor with the variables {show(self._vars, self.shape)}",
                expected="no variables",
                hint=f"close it first, e.g. .exists({list(self._vars)})",
            )
        return float(self.values)

    def decide(self) -> Tensor:
        """Return booleans, shape ``shape``: p > ½. Exactly ½ is no."""
        if self._values is not None and self._logits is None:
            return self._values > 0.5
        return self._logic.decide(self.internal)

    def is_tie(self) -> Tensor:
        """Return booleans, shape ``shape``: p is exactly ½."""
        if self._values is not None and self._logits is None:
            return self._values == 0.5
        return self._logic.is_tie(self.internal)

    # ---- the same table, seen otherwise ----

    def rename(self, names: Mapping[str, str]) -> Self:
        """Return the same table with some variables renamed (all at once; a swap is fine)."""
        positions(list(names), self._vars, self.shape)
        vars = tuple(names.get(v, v) for v in self._vars)
        check_vars(vars, self.shape)
        domain = {names.get(v, v): m for v, m in self._domain.items()}
        return self._make(vars, domain, self._logic, values=self._values, logits=self._logits)

    def align(self, vars: Names) -> Self:
        """Return the same table with its axes in the order `vars`, which names each variable once."""
        order = positions(vars, self._vars, self.shape)
        if len(order) != len(self._vars):
            raise AlgebraError(
                f"align to {list(name_list(vars))} of {show(self._vars, self.shape)}", expected="every variable once"
            )
        return self._mapped(lambda x: x.permute(order), name_list(vars), self._domain)

    def detach(self) -> Self:
        """Return the same table without gradient."""
        return self._mapped(Tensor.detach, self._vars, self._domain)

    def to(self, to: torch.dtype | torch.device | str) -> Self:
        """Return the same table in another floating dtype or on another device."""
        if isinstance(to, torch.dtype) and not to.is_floating_point:
            raise AlgebraError(f"to({to})", expected="a floating dtype or a device", hint="decide() gives booleans")
        domain = self._domain
        if not isinstance(to, torch.dtype):
            domain = {v: m.to(to) for v, m in domain.items()}
        return self._mapped(lambda x: x.to(to), self._vars, domain)

    def _mapped(self, change: Callable[[Tensor], Tensor], vars: tuple[str, ...], domain: Domain) -> Self:
        values, logits = (None if x is None else change(x) for x in (self._values, self._logits))
        return self._make(vars, domain, self._logic, values=values, logits=logits)

    def with_logic(self, logic: Logic | str) -> Self:
        """Return the same table under another logic."""
        return self._make(self._vars, self._domain, get(logic), values=self._values, logits=self._logits)

    # ---- how it looks ----

    def __repr__(self) -> str:
        values = self.values.detach()
        text = str(values.tolist()) if values.numel() <= 9 else f"{values.numel()} values"
        return f"ProbabilisticTensor{show(self._vars, self.shape)}[{self._logic.name}] {text}"

    def _repr_html_(self) -> str:
        return render(self.values, self._vars, self._domain, self._logic.name)


def _cells(values: Tensor | Sequence[Any] | float) -> Tensor:
    if not is_tensor(values):
        return torch.as_tensor(values, dtype=torch.get_default_dtype())
    if not values.is_floating_point():
        raise AlgebraError(
            f"values of dtype {values.dtype}", expected="a floating dtype", hint="write values.float() for crisp truth"
        )
    return values.clone()


def _bad_cell(cells: Tensor, good: Tensor, vars: tuple[str, ...], expected: str, hint: str) -> None:
    at = (~good).nonzero()[0].tolist()
    where = ", ".join(f"{v}={i}" for v, i in zip(vars, at))
    value = float(cells[tuple(at)])
    raise AlgebraError(f"the cell [{where}] of {show(vars, cells.shape)} is {value}", expected=expected, hint=hint)
