"""The gate's rules: which measures a challenger is judged by, and by which margins."""

from typing import Literal

from pydantic import Field, model_validator

from components.platform.params.section import Section

Kind = Literal["primary", "slice", "least", "most"]


class Line(Section):
    """One line of the gate, or several: `measure` may hold * for any part of a name.

    - primary: not worse (the interval's lower end is above minus the margin), and better on at
      least one primary line;
    - slice: not surely worse (the interval's upper end is above minus the margin);
    - least, most: the value stays within the margin of the reference's, below or above it.
    """

    measure: str = Field(min_length=1)
    rule: Kind
    margin: float = Field(ge=0)
    limit: float | None = None  # never below (least) or above (most) this, whatever the reference
    noise: float = Field(0, ge=0)  # a smaller difference from the reference does not count

    @model_validator(mode="after")
    def _shares(self) -> "Line":
        if self.rule in {"primary", "slice"} and self.margin > 1:
            raise ValueError(f"margin {self.margin} of a {self.rule} line must be 1 at most")
        if self.rule in {"primary", "slice"} and (self.limit is not None or self.noise):
            raise ValueError(f"a {self.rule} line has a margin alone: no limit, no noise")
        return self


class Gate(Section):
    """What a challenger must show."""

    confidence: float = Field(0.95, gt=0.5, lt=1)
    bootstrap_samples: int = Field(2000, ge=100)
    lines: tuple[Line, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_primary(self) -> "Gate":
        if not any(line.rule == "primary" for line in self.lines):
            raise ValueError("at least one line with the rule primary")
        return self
