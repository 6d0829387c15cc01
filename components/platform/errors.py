"""One exception tree. Every message says what was expected, what was found, and what to do."""

from typing import ClassVar

REFUSED = 3  # exit code: the same input and params would end the same, so nothing tries again


class ShopError(Exception):
    """Base of every error a user can cause or mend; shown as one line.

    `exit_code` is that of the process: 1 where another try may do better, as with a service that
    is down, else REFUSED.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, expected: str, found: str, remedy: str) -> None:
        self.expected, self.found, self.remedy = expected, found, remedy
        super().__init__(f"expected {expected}; found {found}; {remedy}")

    def __reduce__(self) -> tuple[type["ShopError"], tuple[str, str, str]]:
        """Let the error pass from one process to another."""
        return type(self), (self.expected, self.found, self.remedy)


class DataError(ShopError):
    """Input data breaks the data contract."""

    exit_code = REFUSED


class ParamsError(ShopError):
    """params.yaml has an unknown key or a value out of range."""

    exit_code = REFUSED


class StorageError(ShopError):
    """An output could not be written or an input could not be read (disk, S3)."""


class ModelError(ShopError):
    """A model cannot be built, loaded or combined as asked."""

    exit_code = REFUSED


class LayoutError(ModelError):
    """A package was written in another layout than this code reads: train again."""


class RegistryError(ShopError):
    """The model registry refuses or lacks what was asked for."""


class AbsentError(RegistryError):
    """The registry answers, and has not what was asked for: asking again does not help."""

    exit_code = REFUSED


class ServiceError(ShopError):
    """A service of the platform cannot start, or does not answer as it should."""
