"""Numbers with the word for what they count, for messages: one day, two days. Names that were mistyped: `spelling`."""


def counted(number: float, one: str, many: str | None = None) -> str:
    """The number with thousands apart, and the word in singular or plural; `many` where that is more than an s.

    >>> counted(1, "day"), counted(1200, "row"), counted(0, "history", "histories"), counted(0.5, "day")
    ('1 day', '1,200 rows', '0 histories', '0.5 days')
    """
    shown = f"{number:,.0f}" if number == int(number) else f"{number:g}"
    return f"{shown} {one if number == 1 else many or f'{one}s'}"
