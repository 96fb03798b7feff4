"""The one error a person can mend. Anything else that is raised is a bug."""


class UserError(Exception):
    """Something the person using the app can put right.

    Attributes:
        message: one sentence saying what is wrong.
        hint: one sentence saying what to do about it; may be empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()
